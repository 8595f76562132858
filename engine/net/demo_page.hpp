// The page that dev mode serves at `/`.
#pragma once

#include <string_view>

namespace ringcast {

// demo_page.html as it was when the program was built; it loads nothing from elsewhere.
[[nodiscard]] std::string_view demo_page_html();

}  // namespace ringcast
