import type { JsonObject } from "../../lib/base/json.ts";
import type { Link } from "../../lib/client/link.ts";
import { ClientSocket } from "../../lib/transport/websocket_client.ts";
import type { HelloAck } from "../../lib/wire/ops.ts";
import { welcome } from "../fixtures/scripted_daemon.ts";

/** Both ends of a connection to a daemon that is only a script: no program, no port, and nothing to wait for. */
export class MemoryDaemon {
  /** The shim's end. */
  readonly socket: ClientSocket;
  /** Every frame the shim has sent, as it came. */
  readonly frames: string[] = [];
  /** Those that came as bytes. */
  bytesFrames = 0;
  /** How the shim has ended the connection. */
  closed: { code?: number; reason?: string } | undefined;
  /** Whether it leaves a closing handshake unanswered. */
  keepsOpen = false;
  readonly #ends = {
    readyState: WebSocket.OPEN as number,
    bufferedAmount: 0,
    onmessage: (_: { data: string }) => {},
    onclose: (_: { code: number; reason: string }) => {},
    onerror: (_: unknown) => {},
    send: (frame: string | Uint8Array) => {
      if (typeof frame !== "string") this.bytesFrames++;
      this.frames.push(typeof frame === "string" ? frame : new TextDecoder().decode(frame));
      this.#seen?.();
    },
    close: (code?: number, reason?: string) => {
      this.closed = { code, reason };
      this.#ends.readyState = WebSocket.CLOSING;
      if (!this.keepsOpen) this.end(code ?? 1005, reason ?? "");
    },
  };
  #seen: (() => void) | undefined;
  #taken = 0;

  constructor() {
    this.socket = new ClientSocket(this.#ends as unknown as WebSocket);
  }

  /** The connection after a welcome with `fields`. */
  link(fields: JsonObject = {}): Link {
    return { socket: this.socket, ack: welcome(fields) as unknown as HelloAck };
  }

  /** The messages not taken yet. */
  take(): JsonObject[] {
    const taken = this.frames.slice(this.#taken);
    this.#taken = this.frames.length;
    return taken.flatMap((frame) => frame.split("\n")).map((text) => JSON.parse(text));
  }

  /** The next message not taken yet, which is alone in its frame. */
  async next(): Promise<JsonObject> {
    while (this.frames.length === this.#taken) await new Promise<void>((resolve) => this.#seen = resolve);
    return JSON.parse(this.frames[this.#taken++]!);
  }

  send(message: JsonObject | string): void {
    this.#ends.onmessage({ data: typeof message === "string" ? message : JSON.stringify(message) });
  }

  answer(request: JsonObject, result: JsonObject = {}): void {
    this.send({ jsonrpc: "2.0", id: request.id!, result });
  }

  /** Ends the connection from the daemon's side, or cuts it. */
  end(code = 1006, reason = ""): void {
    this.#ends.readyState = WebSocket.CLOSED;
    this.#ends.onclose({ code, reason });
  }
}
