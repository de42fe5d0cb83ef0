import { connect } from "node:net";
// @ts-types="@types/ws"
import { WebSocket as NodeWebSocket } from "ws";

/**
 * Opens a WebSocket through a Windows named pipe (or a Unix socket), which the built-in client cannot. A file of its
 * own, loaded where it is used: it costs a start of the shim time and memory.
 */
export function openPipe(url: string, path: string): WebSocket {
  const socket = new NodeWebSocket(url, {
    createConnection: () => connect({ path }),
    perMessageDeflate: false,
  });
  // The same events and methods, typed differently.
  return socket as unknown as WebSocket;
}
