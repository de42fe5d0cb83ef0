/** A door as it is connected to. */
export type Target = Deno.ConnectOptions | Deno.UnixConnectOptions;

/** The status of the answer to a head sent by hand; 101 for a WebSocket. */
export async function statusAt(to: Target, lines: readonly string[]): Promise<number> {
  using conn = "path" in to ? await Deno.connect(to) : await Deno.connect(to);
  return await statusOn(conn, lines);
}

export async function statusOn(conn: Deno.Conn, lines: readonly string[]): Promise<number> {
  await conn.write(new TextEncoder().encode(lines.map((line) => `${line}\r\n`).join("") + "\r\n"));
  let text = "";
  const buffer = new Uint8Array(4096);
  while (!text.includes("\r\n")) {
    const count = await conn.read(buffer);
    if (count === null) break;
    text += new TextDecoder().decode(buffer.subarray(0, count));
  }
  return Number(/^HTTP\/1\.[01] (\d{3})/.exec(text)?.[1]);
}

/** The doors of a daemon as they are connected to. */
export function doorsOf(it: { url: string; daemon: { socket: string | undefined } }): Target[] {
  const { hostname, port } = new URL(it.url);
  const { socket } = it.daemon;
  return [
    { hostname, port: Number(port) },
    ...socket?.startsWith("/") ? [{ transport: "unix", path: socket } as const] : [],
  ];
}
