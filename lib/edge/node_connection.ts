import { connect, type Socket } from "node:net";
import { Duplex } from "node:stream";
import { connect as connectTls } from "node:tls";

/**
 * Connects to a named pipe, or by TLS without a check of the certificate, to probe a listener of this process. Loaded
 * only where there is such a listener.
 */
export async function connectWithNode(to: { path: string } | { hostname: string; port: number }) {
  const isPipe = "path" in to;
  const socket: Socket = isPipe
    ? connect({ path: to.path })
    : connectTls({ host: to.hostname, port: to.port, rejectUnauthorized: false });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  socket.once(isPipe ? "connect" : "secureConnect", resolve);
  socket.once("error", reject);
  await promise;
  const { readable, writable } = Duplex.toWeb(socket);
  return {
    readable: readable as ReadableStream<Uint8Array<ArrayBuffer>>,
    writable: writable as WritableStream<Uint8Array>,
    close: () => void socket.destroy(),
  };
}
