#include "net/demo_page.hpp"

namespace ringcast {

namespace {

// Made of demo_page.html by CMake, so that the program needs no file beside it.
constexpr std::string_view kPage =
#include "demo_page_html.inc"
    ;

}  // namespace

std::string_view demo_page_html() { return kPage; }

}  // namespace ringcast
