// Rooms of Socket.IO, with its default adapter.
import { createServer } from 'node:http';
import { Server } from 'socket.io';

const http = createServer();
const io = new Server(http, { pingInterval: 600000, transports: ['websocket'], perMessageDeflate: false });

io.on('connection', (socket) => {
  socket.on('sub', (room) => {
    socket.join(room);
    socket.emit('ok');
  });
  socket.on('pub', (room, data) => io.to(room).emit('event', data));
});
http.listen(0, '127.0.0.1', () => console.log(`listening on http://127.0.0.1:${http.address().port}`));
