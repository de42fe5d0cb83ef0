/** A WebSocket spoken by hand over TCP, for clients that behave as no library would: cut off, half a frame, no reading. */
export interface RawSocket extends Disposable {
  /** Sends one masked text frame. */
  send(text: string): Promise<void>;
  /** Sends bytes as they are. */
  write(bytes: Uint8Array): Promise<void>;
  /** Reads until what came holds `text`; after that nothing is read. */
  readUntil(text: string): Promise<string>;
}

const encoder = new TextEncoder();

/**
 * Connects to `ws://host:port/` and upgrades, with `headers` on top of the usual ones.
 *
 * @throws what the server said when it did not upgrade
 */
export async function connectRaw(url: string, headers: Record<string, string> = {}): Promise<RawSocket> {
  const { hostname, port, host } = new URL(url);
  const conn = await Deno.connect({ hostname, port: Number(port) });
  const lines = {
    Host: host,
    Upgrade: "websocket",
    Connection: "Upgrade",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    "Sec-WebSocket-Version": "13",
    ...headers,
  };
  const head = Object.entries(lines).map(([name, value]) => `${name}: ${value}\r\n`).join("");
  const socket: RawSocket = {
    send: (text) => socket.write(frame(encoder.encode(text))),
    async write(bytes) {
      for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
    },
    async readUntil(wanted) {
      let seen = "";
      const decoder = new TextDecoder();
      const buffer = new Uint8Array(4096);
      while (!seen.includes(wanted)) {
        const count = await conn.read(buffer);
        if (count === null) throw new Error(`the connection ended before ${wanted}; it said: ${seen}`);
        seen += decoder.decode(buffer.subarray(0, count), { stream: true });
      }
      return seen;
    },
    [Symbol.dispose]() {
      try {
        conn.close();
      } catch (thrown) {
        if (!(thrown instanceof Deno.errors.BadResource)) throw thrown;
      }
    },
  };
  await socket.write(encoder.encode(`GET / HTTP/1.1\r\n${head}\r\n`));
  const answer = await socket.readUntil("\r\n\r\n");
  if (!answer.startsWith("HTTP/1.1 101")) {
    socket[Symbol.dispose]();
    throw new Error(answer);
  }
  return socket;
}

/** One final text frame with an all-zero mask (RFC 6455, section 5.2). */
function frame(payload: Uint8Array): Uint8Array {
  const head = payload.length < 126
    ? [0x81, 0x80 | payload.length]
    : [0x81, 0x80 | 126, payload.length >> 8, payload.length & 255];
  return new Uint8Array([...head, 0, 0, 0, 0, ...payload]);
}
