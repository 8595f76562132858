// A room server over npm's ws, as its documentation shows it: a loop over the room's sockets.
import { WebSocketServer } from 'ws';

const rooms = new Map();
const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false });

server.on('connection', (socket) => {
  const mine = [];
  socket.on('message', (octets) => {
    const text = octets.toString();
    const end = text.indexOf(' ', 4);
    if (text.startsWith('sub ')) {
      const room = text.slice(4);
      if (!rooms.has(room)) rooms.set(room, new Set());
      rooms.get(room).add(socket);
      mine.push(room);
      socket.send('ok');
    } else {
      const data = text.slice(end + 1);
      for (const member of rooms.get(text.slice(4, end)) ?? []) member.send(data);
    }
  });
  socket.on('close', () => mine.forEach((room) => rooms.get(room).delete(socket)));
});
server.on('listening', () => console.log(`listening on http://127.0.0.1:${server.address().port}`));
