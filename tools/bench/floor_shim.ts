/** The floor of a shim: what comes on stdin goes to the socket `PATH` as it is, and back. */
import { Buffer } from "node:buffer";
import { connect, Socket } from "node:net";

const [path] = Deno.args;
const stdin = new Socket({ fd: 0, readable: true, writable: false });
const stdout = new Socket({ fd: 1, readable: false, writable: true });
const daemon = connect({ path: path! });
// A chunk is valid until the next one.
stdin.on("data", (chunk: Uint8Array) => void daemon.write(Buffer.from(chunk)));
daemon.on("data", (chunk: Uint8Array) => void stdout.write(Buffer.from(chunk)));
for (const socket of [stdin, stdout, daemon]) socket.on("error", () => {}).on("close", () => Deno.exit());
