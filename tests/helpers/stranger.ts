import type { JsonObject } from "../../lib/base/json.ts";
import { makeNonce } from "../../lib/wire/proof.ts";

/** What a program that holds the daemon's port, and is not the daemon, says to each frame; undefined: nothing. */
export type Pretence = (frame: JsonObject) => JsonObject | undefined;

const WELCOME = {
  op: "hello_ack",
  ok: true,
  session_id: "stranger",
  daemon: { version: "9", pid: 1 },
  limits: { max_bytes: 1024, session_max_inflight: 1, call_timeout_ms: 1000 },
};

/** Answers to a challenge by one who does not know the token, each with what a client says of it. */
export const PRETENCES: Record<string, { pretence: Pretence; said: string }> = {
  "welcomes everybody": { pretence: () => WELCOME, said: "has not proved" },
  "makes proofs up": {
    pretence: ({ op }) => op === "challenge" ? answer(makeNonce(), [makeNonce(), makeNonce()]) : WELCOME,
    said: "has not proved",
  },
  "says it has no token": {
    pretence: ({ op }) => op === "challenge" ? answer(makeNonce(), []) : WELCOME,
    said: "runs without a token",
  },
  "sends our nonce back": {
    pretence: ({ op, nonce }) => op === "challenge" ? answer(String(nonce), [String(nonce)]) : WELCOME,
    said: "has not proved",
  },
  "answers in another form": {
    pretence: ({ op }) => op === "challenge" ? { ...answer("short", []), proofs: "all of them" } : WELCOME,
    said: "malformed",
  },
  "sends a flood of proofs": {
    pretence: () => answer(makeNonce(), Array.from({ length: 10_000 }, makeNonce)),
    said: "malformed",
  },
};

function answer(nonce: string, proofs: string[]): JsonObject {
  return { op: "challenge_res", nonce, door: "ws://127.0.0.1:1", proofs };
}

/** Listens where a daemon would and records everything it receives: request lines, headers, frames, bodies. */
export class Stranger implements AsyncDisposable {
  readonly port: number;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #said: string[] = [];
  /** Frames received, in order. */
  readonly frames: JsonObject[] = [];

  constructor(pretence: Pretence, port = 0) {
    const options = { hostname: "127.0.0.1", port, onListen: () => {} };
    this.#server = Deno.serve(options, (request) => this.#hear(request, pretence));
    this.port = this.#server.addr.port;
  }

  /** All of what it was told. */
  get heard(): string {
    return this.#said.join("\n");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }

  async #hear(request: Request, pretence: Pretence): Promise<Response> {
    this.#said.push(
      `${request.method} ${request.url}`,
      ...Array.from(request.headers, (pair) => pair.join(": ")),
    );
    if (request.headers.get("upgrade") !== "websocket") {
      this.#said.push(await request.text());
      return Response.json(WELCOME);
    }
    const { socket, response } = Deno.upgradeWebSocket(request);
    socket.onerror = (event) => event.preventDefault();
    socket.onmessage = ({ data }) => {
      this.#said.push(String(data));
      const frame = JSON.parse(data);
      this.frames.push(frame);
      const reply = pretence(frame);
      if (reply) socket.send(JSON.stringify(reply));
    };
    return response;
  }
}

/** Every form in which `secret` could have been told, or enough of it to be of use. */
export async function formsOf(secret: string): Promise<string[]> {
  const bytes = new TextEncoder().encode(secret);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const written = [bytes, digest].flatMap((
    part,
  ) => [
    part.toHex(),
    part.toBase64({ omitPadding: true }),
    part.toBase64({ alphabet: "base64url", omitPadding: true }),
  ]);
  return [secret, encodeURIComponent(secret), secret.slice(0, 8), ...written];
}
