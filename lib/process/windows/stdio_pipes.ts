import { closeSync, openSync } from "node:fs";
import { createServer, type Socket } from "node:net";

/** The stdin, stdout and stderr of a child process on Windows. */
interface StdioPipes {
  stdin: Socket;
  stdout: Socket;
  stderr: Socket;
  /** What the child is given: its ends, as file descriptors of this process. */
  descriptors: [number, number, number];
  /** Closes the child's ends in this process, once the child has them, or in its place when it could not start. */
  closeDescriptors(): void;
}

/**
 * Opens the streams of a child process as named pipes of our own. The pipes that `spawn` makes on Windows block the
 * whole event loop when the child does not read (a write past the 64 KiB of the pipe returns only once it does), and
 * each of their reads holds one of the few threads of Deno's pool (four for each core) for as long as the child is
 * silent. Ends made by `node:net` are overlapped, and need neither.
 *
 * @throws when the system gives no pipe
 */
export async function openStdioPipes(): Promise<StdioPipes> {
  const opened: PipePair[] = [];
  const closeDescriptors = () => opened.forEach(({ descriptor }) => closeSync(descriptor));
  try {
    for (let n = 0; n < 3; n++) opened.push(await openPair());
  } catch (thrown) {
    closeDescriptors();
    for (const { ours } of opened) ours.destroy();
    throw thrown;
  }
  const [stdin, stdout, stderr] = opened.map(({ ours }) => ours) as [Socket, Socket, Socket];
  const descriptors = opened.map(({ descriptor }) => descriptor) as [number, number, number];
  // The child sees the end of its stdin only when the pipe is closed.
  stdin.once("finish", () => stdin.destroy());
  return { stdin, stdout, stderr, descriptors, closeDescriptors };
}

interface PipePair {
  ours: Socket;
  descriptor: number;
}

async function openPair(): Promise<PipePair> {
  const path = `\\\\.\\pipe\\exai-stdio-${crypto.randomUUID()}`;
  const server = createServer();
  const { promise: accepted, resolve, reject } = Promise.withResolvers<Socket>();
  server.once("connection", resolve);
  server.once("error", reject);
  accepted.catch(() => {});
  server.listen(path);
  try {
    // In the same turn, in which the pipe has one instance that no other client can be connected to: an open that
    // succeeds is the client.
    const descriptor = openSync(path, "r+");
    return { ours: await accepted, descriptor };
  } finally {
    server.close();
  }
}
