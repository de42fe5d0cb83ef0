import { connect, type Socket } from "node:net";
// @ts-types="@types/ws"
import { WebSocket as NodeWebSocket } from "ws";

/**
 * Opens a WebSocket through a Windows named pipe (or a Unix socket), which the built-in client cannot. A file of its
 * own, loaded where it is used: it costs a start of the shim time and memory.
 */
export function openPipe(url: string, path: string): WebSocket {
  const socket = new NodeWebSocket(url, {
    createConnection: () => connectPipe(path),
    perMessageDeflate: false,
  });
  // The same events and methods, typed differently.
  return socket as unknown as WebSocket;
}

function connectPipe(path: string): Socket {
  const socket = connect({ path });
  // What goes wrong reaches the request too; without a listener of its own it would be an uncaught error as well.
  socket.on("error", () => {});
  // A named pipe has no half-closed state: the other end sees the end when the pipe is closed.
  socket.once("finish", () => socket.destroy());
  return socket;
}
