// A client of npm's `ws`: reads one JSON command a line, prints one JSON answer a line.
//   node client.mjs URL [TOKEN]
import readline from "node:readline";
import { createRequire } from "node:module";
const { WebSocket } = createRequire(import.meta.url)("ws");

const [url, token] = process.argv.slice(2);
const say = (value) => process.stdout.write(JSON.stringify(value) + "\n");
const protocols = token ? ["ringcast.v1", `ringcast.token.${token}`] : ["ringcast.v1"];
const socket = new WebSocket(url, protocols);

socket.on("open", () => say({ open: socket.protocol, extensions: socket.extensions }));
socket.on("message", (data, binary) =>
  say(binary ? { binary: data.toString("base64") } : { text: data.toString() }));
socket.on("pong", (data) => say({ pong: data.toString() }));
socket.on("ping", () => say({ ping: true }));
socket.on("close", (code, reason) => say({ close: code, reason: reason.toString() }));
socket.on("unexpected-response", (_, response) => say({ refused: response.statusCode }));
socket.on("error", (error) => say({ error: error.message }));

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const command = JSON.parse(line);
  if ("text" in command) socket.send(command.text);
  if ("binary" in command) socket.send(Buffer.from(command.binary, "base64"));
  if ("fragments" in command)
    command.fragments.forEach((part, at) => socket.send(part, { fin: at === command.fragments.length - 1 }));
  if ("ping" in command) socket.ping(command.ping);
  if ("close" in command) socket.close(command.close, command.reason);
});
