import { Buffer } from "node:buffer";
import { isObject, type JsonObject } from "../../lib/base/json.ts";
import type { Spawned } from "../lib/spawned.ts";

/** The answer to a request: parsed when small, otherwise only found and measured. */
export interface Answer {
  bytes: number;
  message?: JsonObject;
}

/** Lines beyond this are not parsed, so that the client costs little beside what it measures. */
const PARSED_BYTES = 64 * 1024;
const ENDS_BYTES = 256;
const NEWLINE = 10;
/** The engine's own search: that of `Buffer` takes several times as long in Deno. */
const findByte = Uint8Array.prototype.indexOf;

/** Speaks JSON-RPC in lines with a child's stdin and stdout. Thin, so that it does not hide what the child costs. */
export class StdioClient {
  readonly #child: Spawned;
  readonly #waiting = new Map<number, PromiseWithResolvers<Answer>>();
  #parts: Buffer[] = [];
  #lastId = 0;
  #end: Error | undefined;

  constructor(child: Spawned) {
    this.#child = child;
    child.child.stdout.on("data", (chunk: Buffer) => this.#take(chunk));
    child.exited.then((how) => this.#fail(new Error(how + child.lastWords)));
  }

  /** Sends a request. `rest` is what follows the id: `"method":...,"params":...}`. */
  request(rest: string): Promise<Answer> {
    if (this.#end) return Promise.reject(this.#end);
    const waiting = Promise.withResolvers<Answer>();
    const id = ++this.#lastId;
    this.#waiting.set(id, waiting);
    this.#child.child.stdin.write(`{"jsonrpc":"2.0","id":${id},${rest}\n`);
    return waiting.promise;
  }

  notify(method: string): void {
    this.#child.child.stdin.write(JSON.stringify({ jsonrpc: "2.0", method }) + "\n");
  }

  #take(chunk: Buffer): void {
    let start = 0;
    for (let end; (end = findByte.call(chunk, NEWLINE, start)) >= 0; start = end + 1) {
      this.#parts.push(chunk.subarray(start, end));
      this.#receive(this.#parts.length === 1 ? this.#parts[0]! : Buffer.concat(this.#parts));
      this.#parts = [];
    }
    // The stream may use its buffer again.
    if (start < chunk.length) this.#parts.push(Buffer.from(chunk.subarray(start)));
  }

  #receive(line: Buffer): void {
    const bytes = line.length;
    if (bytes > PARSED_BYTES) return this.#settle(idOf(line), { bytes });
    let message: unknown;
    try {
      message = JSON.parse(line.toString());
    } catch {
      return;
    }
    if (!isObject(message)) return;
    if (message.method === undefined) this.#settle(Number(message.id), { bytes, message });
    else if (message.id !== undefined) this.#decline(message);
  }

  #decline({ id }: JsonObject): void {
    const error = { code: -32601, message: "this client cannot be asked" };
    this.#child.child.stdin.write(JSON.stringify({ jsonrpc: "2.0", id, error }) + "\n");
  }

  #settle(id: number, answer: Answer): void {
    this.#waiting.get(id)?.resolve(answer);
    this.#waiting.delete(id);
  }

  #fail(why: Error): void {
    this.#end = why;
    for (const waiting of this.#waiting.values()) waiting.reject(why);
    this.#waiting.clear();
  }
}

/** The id of a response of which only the ends are looked at: writers of JSON-RPC put it first or last. */
function idOf(line: Buffer): number {
  const tail = line.subarray(-ENDS_BYTES).toString();
  const head = line.subarray(0, ENDS_BYTES).toString();
  const found = /"id":(\d+)(?:,"jsonrpc":"2\.0")?\}\s*$/.exec(tail) ??
    /^\{(?:"jsonrpc":"2\.0",)?"id":(\d+),/.exec(head);
  return Number(found?.[1]);
}
