// One call with npm's `ws`; prints the ack.
import WebSocket from "ws";

const socket = new WebSocket(process.argv[2], ["ringcast.v1"]);
socket.on("message", (text) => {
  const message = JSON.parse(text);
  if (message.type === "connected")
    socket.send(JSON.stringify({ type: "call", event: "echo", id: "n1", data: { text: "from node" } }));
  if (message.type === "ack") {
    console.log(JSON.stringify(message));
    socket.close();
  }
});
