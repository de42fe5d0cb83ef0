import { fromFileUrl } from "@std/path";
import { ProcessHost, type ProcessHostOptions, type ServerCommand } from "../../lib/process/process_host.ts";
import type { ServerProcess } from "../../lib/process/server_process.ts";
import type { JsonObject } from "../../lib/base/json.ts";
import type { RpcMessage, RpcResponse } from "../../lib/wire/rpc.ts";

const ODD_PROCESS = fromFileUrl(new URL("../fixtures/odd_process.ts", import.meta.url));

/** How to start tests/fixtures/odd_process.ts. */
export function oddProcess(
  mode: string,
  options: { port?: number; env?: ServerCommand["env"]; cwd?: string } = {},
): ServerCommand {
  const { port = 0, env = {}, cwd } = options;
  const args = ["run", "-A", "--no-config", "--no-lock", ODD_PROCESS, mode, String(port)];
  return { name: mode, title: mode, command: Deno.execPath(), args, env, cwd };
}

/** A host that waits for nothing long, with what it was told to log. */
export function testHost(options: Partial<ProcessHostOptions> = {}): ProcessHost & { logged: string[] } {
  const logged: string[] = [];
  const host = new ProcessHost({
    log: (_name, text) => logged.push(text),
    ...options,
    env: { HOME: "/", SHELL: "/bin/sh", PATH: Deno.env.get("PATH"), ...options.env },
    limits: { closeGraceMs: 2000, termGraceMs: 200, ...options.limits },
  });
  return Object.assign(host, { logged });
}

/** Speaks with a process by requests and answers. */
export class ProcessClient {
  readonly others: RpcMessage[] = [];
  readonly errors: Error[] = [];
  readonly #process: ServerProcess;
  readonly #waiting = new Map<unknown, (answer: RpcResponse) => void>();
  #nextId = 1;

  constructor(process: ServerProcess) {
    this.#process = process;
    process.onmessage = (message) => {
      const settle = "id" in message && this.#waiting.get(message.id);
      if (settle) settle(message as RpcResponse);
      else this.others.push(message);
    };
    process.onerror = (error) => this.errors.push(error);
    process.start();
  }

  async ask(method: string, params: JsonObject = {}): Promise<RpcResponse> {
    const id = this.#nextId++;
    const answered = this.answerTo(id);
    await this.#process.send({ jsonrpc: "2.0", id, method, params });
    return await answered;
  }

  answerTo(id: unknown): Promise<RpcResponse> {
    return new Promise((resolve) => this.#waiting.set(id, resolve));
  }
}

/** A port that processes hold a connection to for as long as they live. */
export class Lifelines implements Disposable {
  readonly #listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });

  get port(): number {
    return this.#listener.addr.port;
  }

  /** The next process that comes: its mode and pid, and its end. */
  async next(): Promise<{ name: string; pid: number; ended: Promise<void> }> {
    const connection = await this.#listener.accept();
    const buffer = new Uint8Array(100);
    const count = await connection.read(buffer) ?? 0;
    const [name = "", pid] = new TextDecoder().decode(buffer.subarray(0, count)).trim().split(" ");
    return { name, pid: Number(pid), ended: endOf(connection) };
  }

  [Symbol.dispose](): void {
    this.#listener.close();
  }
}

async function endOf(connection: Deno.Conn): Promise<void> {
  // A process that is killed may reset the connection.
  await connection.read(new Uint8Array(1)).catch(() => null);
  connection.close();
}
