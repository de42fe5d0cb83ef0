/** A user of this machine that is not the one the tests run as; `nobody` of most systems. */
const OTHER_UID = 65534;

/** Longer than the daemon takes to answer on a busy machine. */
const SILENCE_SECONDS = 20;

/** Whether the tests can run a program as another user. */
export const canBeOther = Deno.build.os === "linux" && Deno.uid() === 0 && exists("/usr/bin/python3");

/** Connects, sends its input, and prints what comes until the other side closes, says `last` or is silent for `seconds`. */
const TALK = `
import socket, sys
host, port, seconds, last = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4].encode()
if port: conn = socket.create_connection((host, port), timeout=seconds)
else:
  conn = socket.socket(socket.AF_UNIX); conn.settimeout(seconds); conn.connect(host)
conn.sendall(sys.stdin.buffer.read())
said = b""
try:
  while not (last and last in said):
    part = conn.recv(65536)
    if not part: break
    said += part
except (socket.timeout, ConnectionError): pass
sys.stdout.buffer.write(said)
`;

/** Connects and holds the connection until its input ends; prints its own port. */
const HOLD = `
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
conn = socket.socket(family); conn.connect((sys.argv[1], int(sys.argv[2])))
print(conn.getsockname()[1], flush=True)
sys.stdin.read()
`;

/** Listens at a free port until its input ends; prints the port. */
const LISTEN = `
import socket, sys
server = socket.socket(); server.bind((sys.argv[1], 0)); server.listen()
print(server.getsockname()[1], flush=True)
sys.stdin.read()
`;

/** Sends `bytes` to an address (or with port 0 to a Unix socket) as another user; what was answered, as far as `last`. */
export async function talkAsOther(
  to: { hostname: string; port: number },
  bytes: string | Uint8Array,
  { last = "", uid = OTHER_UID }: { last?: string; uid?: number } = {},
): Promise<string> {
  const child = python(TALK, [to.hostname, String(to.port), String(SILENCE_SECONDS), last], uid);
  const writer = child.stdin.getWriter();
  await writer.write(typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes);
  await writer.close();
  const { stdout, stderr } = await child.output();
  return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
}

/** A connection of another process, held until disposed. */
export function holdAs(uid: number, to: { hostname: string; port: number }): Promise<PortHolder> {
  return portHolder(HOLD, [to.hostname, String(to.port)], uid);
}

/** A listener of another process, held until disposed. */
export function listenAs(uid: number, hostname: string): Promise<PortHolder> {
  return portHolder(LISTEN, [hostname], uid);
}

export interface PortHolder extends AsyncDisposable {
  port: number;
}

async function portHolder(script: string, args: string[], uid: number): Promise<PortHolder> {
  const child = python(script, args, uid);
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  return {
    port: Number(new TextDecoder().decode(value)),
    async [Symbol.asyncDispose]() {
      await child.stdin.close();
      await reader.cancel();
      await child.stderr.cancel();
      await child.status;
    },
  };
}

function python(script: string, args: string[], uid: number): Deno.ChildProcess {
  return new Deno.Command("/usr/bin/python3", {
    args: ["-c", script, ...args],
    cwd: "/",
    uid,
    gid: uid,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}
