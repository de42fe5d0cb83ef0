/**
 * The floor of a daemon: shares one stdio server (`COMMAND ARGS...`) at the socket `PATH`, and does with messages only
 * what sharing asks for. Each request gets an id of its own, which is put in and taken out at the ends of the line, where
 * the clients and the server of the bench have it; the rest is copied.
 */
import { Buffer } from "node:buffer";
import { spawn } from "node:child_process";
import { createServer, type Socket } from "node:net";

const NEWLINE = 10;
const ENDS_BYTES = 64;
const HEAD = /^\{"jsonrpc":"2\.0","id":([^,]+),/;
const TAIL = /,"jsonrpc":"2\.0","id":(\d+)\}\s*$/;
const findByte = Uint8Array.prototype.indexOf;

interface Waiting {
  idText: string;
  window: Socket;
}

const [path, command, ...args] = Deno.args;
const server = spawn(command!, args, { stdio: ["pipe", "pipe", "ignore"] });
const waiting = new Map<number, Waiting>();
let lastId = 0;

server.stdout.on("data", splitter(answer));
createServer((window) => {
  window.on("data", splitter((line) => ask(line, window))).on("error", () => {});
}).listen(path, () => Deno.stdout.writeSync(new TextEncoder().encode("listens\n")));

function ask(line: Buffer, window: Socket): void {
  const found = HEAD.exec(line.subarray(0, ENDS_BYTES).toString("latin1"));
  if (!found) return void server.stdin.write(Buffer.concat([line, Buffer.from("\n")]));
  const id = ++lastId;
  waiting.set(id, { idText: found[1]!, window });
  const head = Buffer.from(`{"jsonrpc":"2.0","id":${id},`);
  server.stdin.write(Buffer.concat([head, line.subarray(found[0].length), Buffer.from("\n")]));
}

function answer(line: Buffer): void {
  const tail = line.subarray(-ENDS_BYTES).toString("latin1");
  const found = TAIL.exec(tail);
  const asked = waiting.get(Number(found?.[1]));
  if (!found || !asked) return;
  waiting.delete(Number(found[1]));
  const body = line.subarray(0, line.length - tail.length + found.index);
  asked.window.write(Buffer.concat([body, Buffer.from(`,"jsonrpc":"2.0","id":${asked.idText}}\n`)]));
}

/** Passes each line to `take`, without its line break. */
function splitter(take: (line: Buffer) => void): (chunk: Buffer) => void {
  let parts: Buffer[] = [];
  return (chunk) => {
    let start = 0;
    for (let end; (end = findByte.call(chunk, NEWLINE, start)) >= 0; start = end + 1) {
      parts.push(chunk.subarray(start, end));
      take(parts.length === 1 ? parts[0]! : Buffer.concat(parts));
      parts = [];
    }
    if (start < chunk.length) parts.push(Buffer.from(chunk.subarray(start)));
  };
}
