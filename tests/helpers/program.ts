import { fromFileUrl } from "@std/path";

const daemonFile = fromFileUrl(new URL("../../daemon.ts", import.meta.url));

export interface ProgramOptions {
  args?: string[];
  env?: Record<string, string>;
  /** State directory; made for this run when left out. */
  home?: string;
  /** Another build of the daemon. */
  program?: string;
}

function command(home: string, options: ProgramOptions): Deno.Command {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", options.program ?? daemonFile, ...(options.args ?? [])],
    env: { EXAI_HOME: home, XDG_RUNTIME_DIR: home, EXAI_WS_PORT: "0", ENV_FILE: "", ...options.env },
    stdin: "null",
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
    async [Symbol.asyncDispose]() {
      try {
        process.kill("SIGKILL");
      } catch {
        // It has ended by itself.
      }
      await process.status;
      await Promise.all([rest, stderr]);
      if (!options.home) await Deno.remove(home, { recursive: true });
    },
  };
}

/** Runs `daemon.ts` to its end. */
export async function runDaemon(options: ProgramOptions = {}) {
  const home = options.home ?? await Deno.makeTempDir({ prefix: "exai-daemon-" });
  const { code, stdout, stderr } = await command(home, options).output();
  if (!options.home) await Deno.remove(home, { recursive: true });
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: decode(stdout), stderr: decode(stderr) };
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
