// The page that dev mode serves at `/`.
#pragma once

#include <string>

namespace ringcast {

[[nodiscard]] const std::string& demo_page_html();

}  // namespace ringcast
