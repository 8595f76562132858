// A room server over Bun, whose WebSockets are those of uWebSockets: topics and publish() are its own.
const server = Bun.serve({
  hostname: '127.0.0.1',
  port: 0,
  fetch: (request, self) => (self.upgrade(request) ? undefined : new Response('WebSocket only', { status: 400 })),
  websocket: {
    perMessageDeflate: false,
    idleTimeout: 960,
    message(socket, text) {
      const end = text.indexOf(' ', 4);
      if (text.startsWith('sub ')) {
        socket.subscribe(text.slice(4));
        socket.send('ok');
      } else {
        server.publish(text.slice(4, end), text.slice(end + 1));
      }
    },
  },
});
console.log(`listening on http://127.0.0.1:${server.port}`);
