#include "net/demo_page.hpp"

namespace ringcast {

const std::string& demo_page_html() {
  static const std::string page = R"(<!doctype html>
<title>Ringcast</title>
<h1>Ringcast</h1>
<pre id="log"></pre>
<script>
const ws = new WebSocket(`ws://${location.host}/ws`);
ws.onopen = () => ws.send(JSON.stringify({type: "subscribe", room: "tenant:demo"}));
ws.onmessage = (m) => { document.getElementById("log").textContent += m.data + "\n"; };
</script>
)";
  return page;
}

}  // namespace ringcast
