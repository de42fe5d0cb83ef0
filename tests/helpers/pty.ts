import xterm from "@xterm/headless";
import { fromFileUrl } from "@std/path";
import { until } from "./until.ts";

const root = fromFileUrl(new URL("../..", import.meta.url));

/** A program on a terminal of its own, which `script` of util-linux makes and xterm.js shows. */
export class PtyProgram implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #keys: WritableStreamDefaultWriter<Uint8Array>;
  readonly #terminal: InstanceType<typeof xterm.Terminal>;
  readonly #reading: Promise<void>;
  /** All that was written to the terminal. */
  written = "";

  /** @param command for a shell of the terminal, in the root of the repository */
  constructor(
    command: string,
    { columns, rows, env }: { columns: number; rows: number; env?: Record<string, string> },
  ) {
    this.#terminal = new xterm.Terminal({ cols: columns, rows, allowProposedApi: true });
    // The terminal's own name is said, for a test that changes its size.
    const shell = `stty rows ${rows} cols ${columns}; echo "on=$(tty)."; ${command}`;
    this.#process = new Deno.Command("script", {
      args: ["-qfec", shell, "/dev/null"],
      cwd: root,
      env: { SHELL: "/bin/sh", TERM: "xterm", ...env },
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    this.#keys = this.#process.stdin.getWriter();
    this.#reading = this.#read();
  }

  async #read(): Promise<void> {
    for await (const text of this.#process.stdout.pipeThrough(new TextDecoderStream())) {
      this.written += text;
      await new Promise<void>((resolve) => this.#terminal.write(text, resolve));
    }
  }

  /** What is seen now, without blanks at the ends of lines. */
  get screen(): string {
    const { active } = this.#terminal.buffer;
    return Array.from(
      { length: this.#terminal.rows },
      (_, row) => active.getLine(active.viewportY + row)?.translateToString().trimEnd() ?? "",
    ).join("\n");
  }

  /** Whether the program has the terminal's other screen. */
  get isFullScreen(): boolean {
    return this.#terminal.buffer.active.type === "alternate";
  }

  async type(text: string): Promise<void> {
    await this.#keys.write(new TextEncoder().encode(text));
  }

  /** Resolves when `pattern` is seen. */
  async shows(pattern: RegExp): Promise<void> {
    await until(`${pattern} on the terminal`, () => pattern.test(this.screen) || undefined).catch(
      (thrown) => {
        throw new Error(`${thrown.message}; there is\n${this.screen}`);
      },
    );
  }

  /** Gives the terminal another size, as the window of an emulator does. */
  async resize(columns: number, rows: number): Promise<void> {
    const [, path] = /on=(\S+)\./.exec(this.written)!;
    this.#terminal.resize(columns, rows);
    const stty = new Deno.Command("stty", {
      args: ["-F", path!, "cols", String(columns), "rows", String(rows)],
    });
    if (!(await stty.output()).success) throw new Error(`stty of ${path} failed`);
  }

  /** Resolves with the exit code, once all that was written is shown. */
  async end(): Promise<number> {
    const { code } = await this.#process.status;
    await this.#reading;
    return code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#process.kill("SIGTERM");
    } catch {
      // It has ended.
    }
    await this.#keys.close().catch(() => {});
    await this.end();
    this.#terminal.dispose();
  }
}
