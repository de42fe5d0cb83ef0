import { fromFileUrl } from "@std/path";
import { removeHome } from "./files.ts";
import { RawClient } from "./raw_client.ts";

const daemonFile = fromFileUrl(new URL("../../daemon.ts", import.meta.url));

export interface ProgramOptions {
  args?: string[];
  env?: Record<string, string>;
  /** State directory; made for this run when left out. */
  home?: string;
  /** Another build of the daemon. */
  program?: string;
  /** The file handles it may have (`ulimit -n`); as many as this process when left out. */
  handles?: number;
  /** What it reads on stdin; nothing when left out. */
  input?: string;
}

function command(home: string, options: ProgramOptions): Deno.Command {
  const { program = daemonFile, args = [], handles, input } = options;
  const limited = handles === undefined ? [] : ["/bin/sh", "-c", 'ulimit -n "$0" && exec "$@"', `${handles}`];
  const [first, ...rest] = [...limited, Deno.execPath(), "run", "-A", "--no-check", program, ...args];
  return new Deno.Command(first!, {
    args: rest,
    env: {
      EXAI_HOME: home,
      XDG_RUNTIME_DIR: home,
      EXAI_WS_PORT: "0",
      EXAI_KEYCHAIN: "off",
      ENV_FILE: "",
      ...options.env,
    },
    stdin: input === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
  });
}

/** The real `daemon.ts` in a process of its own, once it listens; ended with `await using`. */
export async function startDaemon(options: ProgramOptions = {}) {
  const home = options.home ?? await Deno.makeTempDir({ prefix: "exai-daemon-" });
  const process = command(home, options).spawn();
  const stderr = new Response(process.stderr).text();
  const { text: banner, rest } = await readUntil(process.stdout, "next ");
  const url = /wss?:\/\/\S+/.exec(banner)?.[0];
  if (!url) throw new Error(`the daemon did not start: ${banner}${await stderr}`);
  return {
    process,
    home,
    url,
    banner,
    /** All it writes there, once it has ended. */
    stderr,
    async [Symbol.asyncDispose]() {
      signalProgram(process, "SIGKILL");
      await process.status;
      await Promise.all([rest, stderr]);
      if (!options.home) await removeHome(home);
    },
  };
}

/** Sends `signal` to a program unless it has ended by itself, which no disposal may fail on. */
export function signalProgram(program: Deno.ChildProcess, signal: Deno.Signal): void {
  try {
    program.kill(signal);
  } catch (thrown) {
    if (!(thrown instanceof TypeError || thrown instanceof Deno.errors.NotFound)) throw thrown;
  }
}

/** Kills a daemon that is no child of this process; its connections end when it has ended. */
export async function killDaemon({ url, pid }: { url: string; pid: number }): Promise<void> {
  using client = await RawClient.connect(url).catch(() => undefined);
  // It has ended before, and its file was left.
  if (!client) return;
  Deno.kill(pid, "SIGKILL");
  await client.closed;
}

/** Runs `daemon.ts` to its end. */
export async function runDaemon(options: ProgramOptions = {}) {
  const home = options.home ?? await Deno.makeTempDir({ prefix: "exai-daemon-" });
  const process = command(home, options).spawn();
  if (options.input !== undefined) await new Blob([options.input]).stream().pipeTo(process.stdin);
  const { code, stdout, stderr } = await process.output();
  if (!options.home) await removeHome(home);
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: decode(stdout), stderr: decode(stderr) };
}

/** Starts `daemon.ts` with a command whose person is at the terminal. */
export function startCommand(home: string, options: ProgramOptions): Deno.ChildProcess {
  return command(home, { ...options, input: "" }).spawn();
}

/** Reads until a line begins with spaces and `mark`, or the end; `rest` settles when the stream has ended. */
async function readUntil(stream: ReadableStream<Uint8Array>, mark: string) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (!text.split("\n").some((line) => line.trimStart().startsWith(mark) && text.endsWith("\n"))) {
    const { value, done } = await reader.read();
    if (done) return { text, rest: Promise.resolve() };
    text += value;
  }
  const drain = async () => {
    while (!(await reader.read()).done);
  };
  return { text, rest: drain() };
}
