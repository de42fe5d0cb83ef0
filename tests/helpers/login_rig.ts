import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import type { JsonObject } from "../../lib/base/json.ts";
import type { Canaries } from "./canaries.ts";
import { removeHome } from "./files.ts";
import { type Ended, type PersonOptions, visit } from "./person.ts";
import { runDaemon, signalProgram, startCommand, startDaemon } from "./program.ts";
import { Shim } from "./shim.ts";
import { until } from "./until.ts";

export interface WindowOptions {
  /** Directory of the window. */
  cwd?: string;
  /** Who signs in where the client asks for it; left out: the client cannot ask. */
  person?: PersonOptions;
  client?: string;
  env?: Record<string, string>;
}

/** A window on the real shim, with a person before it who signs in. */
export class LoginWindow implements AsyncDisposable {
  readonly shim: Shim;
  /** Pages the person was sent to by the client. */
  readonly sentTo: string[] = [];
  readonly #asking: Promise<void>;

  private constructor(shim: Shim, person: PersonOptions | undefined) {
    this.shim = shim;
    this.#asking = person ? this.#answerFor(person) : Promise.resolve();
  }

  static async open(
    place: { home: string; port: number },
    options: WindowOptions = {},
  ): Promise<LoginWindow> {
    const { cwd, person, client = "test window", env } = options;
    const shim = await Shim.start({ home: place.home, port: place.port, cwd, env });
    const self = new LoginWindow(shim, person);
    await shim.initialize({
      protocolVersion: "2025-11-25",
      capabilities: person ? { elicitation: { form: {}, url: {} } } : {},
      clientInfo: { name: client, version: "1" },
    });
    return self;
  }

  async #answerFor(person: PersonOptions): Promise<void> {
    for (;;) {
      const asked = await this.shim.next(({ method }) => method === "elicitation/create").catch(() =>
        undefined
      );
      if (!asked) return;
      const { url } = asked.params as { url: string };
      this.sentTo.push(url);
      await this.shim.send({ jsonrpc: "2.0", id: asked.id, result: { action: "accept" } });
      // A person has one login to do, in whatever window it is asked for.
      await visit(url, person).catch(() => {});
    }
  }

  /** The names of the tools that are shown. */
  async tools(): Promise<string[]> {
    const { result } = await this.shim.ask("tools/list");
    return ((result as JsonObject).tools as { name: string }[]).map(({ name }) => name);
  }

  /** The tools once the one named `name` is among them. */
  shows(name: string): Promise<string[]> {
    return until(`the tool ${name}`, async () => {
      const names = await this.tools();
      return names.includes(name) ? names : undefined;
    });
  }

  /** The text of what a tool answered, errors included. */
  async said(name: string, args: JsonObject = {}): Promise<string> {
    const { result, error } = await this.shim.call(name, args);
    if (error) return (error as { message: string }).message;
    return ((result as JsonObject).content as { text?: string }[]).map(({ text }) => text).join("\n");
  }

  /** What a tool of the servers of `AuthorizationServer` tells of its caller. */
  async told(name: string): Promise<{ account: string; scopes: string[] }> {
    const text = await this.said(name);
    assert(text.startsWith("{"), `${name}: ${text}`);
    return JSON.parse(text);
  }

  /** Signs in as one does whose client cannot ask: by the address that the tool gives. */
  async signIn(server: string, person: PersonOptions = {}): Promise<Ended> {
    return await visit(addressIn(await this.said(`${server}__login`)), person);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.shim[Symbol.asyncDispose]();
    await this.#asking;
  }
}

/** A command that runs, with a person who reads what it says and types. */
export class CommandSession implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #reading: Promise<unknown>;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  #said = "";
  #stdout = "";

  constructor(process: Deno.ChildProcess) {
    this.#process = process;
    this.#writer = process.stdin.getWriter();
    const read = async (stream: ReadableStream<Uint8Array>) => {
      for await (const text of stream.pipeThrough(new TextDecoderStream())) {
        this.#said += text;
        if (stream === process.stdout) this.#stdout += text;
      }
    };
    this.#reading = Promise.all([read(process.stdout), read(process.stderr)]);
  }

  /** What it has said, once `wanted` is in it. */
  async says(wanted: RegExp): Promise<string> {
    return await until(`${wanted} in ${this.#said}`, () => wanted.test(this.#said) ? this.#said : undefined);
  }

  async type(line: string): Promise<void> {
    await this.#writer.write(new TextEncoder().encode(`${line}\n`));
  }

  /** Its exit code, and all that it said; `stdout` is the part that was not on stderr. */
  async end(): Promise<{ code: number; said: string; stdout: string }> {
    const { code } = await this.#process.status;
    await this.#reading;
    return { code, said: this.#said, stdout: this.#stdout };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    signalProgram(this.#process, "SIGKILL");
    await this.#writer.close().catch(() => {});
    await this.end();
  }
}

/** The address that a text tells a person to open. */
export function addressIn(text: string): string {
  const url = /https?:\/\/\S+[?&]state=\S+/.exec(text)?.[0];
  if (url === undefined) throw new Error(`no address to open: ${text}`);
  return url;
}

export interface LoginRigOptions {
  /** Entries of mcp.json by name; a text is a URL, and its tools have the server's name before their own. */
  servers: Readonly<Record<string, string | JsonObject>>;
  /** `exai.json`. */
  settings?: JsonObject;
  /** Set by command before the daemon starts. */
  secrets?: Readonly<Record<string, string>>;
  env?: Record<string, string>;
  /** Takes what the daemon writes on its streams. */
  canaries?: Canaries;
}

/** A daemon in a home of its own that mounts servers which want a login; gone with `await using`. */
export class LoginRig implements AsyncDisposable {
  readonly home: string;
  readonly env: Record<string, string>;
  daemon: Awaited<ReturnType<typeof startDaemon>>;
  readonly #canaries: Canaries | undefined;
  readonly #windows: LoginWindow[] = [];

  private constructor(
    home: string,
    daemon: LoginRig["daemon"],
    { env = {}, canaries }: Pick<LoginRigOptions, "env" | "canaries">,
  ) {
    this.home = home;
    this.env = env;
    this.daemon = daemon;
    this.#canaries = canaries;
  }

  static async start({ servers, settings, secrets = {}, ...rest }: LoginRigOptions): Promise<LoginRig> {
    const home = await Deno.realPath(await Deno.makeTempDir({ prefix: "exai-login-" }));
    await Deno.chmod(home, 0o700);
    const entries = Object.entries(servers).map(([name, entry]) => [
      name,
      typeof entry === "string" ? { url: entry, prefix: `${name}__` } : entry,
    ]);
    await Deno.writeTextFile(
      join(home, "mcp.json"),
      JSON.stringify({ mcpServers: Object.fromEntries(entries) }),
    );
    if (settings) await Deno.writeTextFile(join(home, "exai.json"), JSON.stringify(settings));
    const { env } = rest;
    for (const [name, value] of Object.entries(secrets)) {
      const { code, stderr } = await runDaemon({ home, env, args: ["secret", "set", name], input: value });
      assertEquals(code, 0, stderr);
    }
    return new LoginRig(home, await startDaemon({ home, env }), rest);
  }

  get port(): number {
    return Number(new URL(this.daemon.url).port);
  }

  get http(): string {
    return this.daemon.url.replace(/^ws/, "http");
  }

  /** A window, which ends with the rig. */
  async window(options: WindowOptions = {}): Promise<LoginWindow> {
    const opened = await LoginWindow.open(this, { ...options, env: { ...this.env, ...options.env } });
    this.#windows.push(opened);
    return opened;
  }

  /** Runs a command of `exai-daemon`. */
  async run(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
    return await runDaemon({ home: this.home, args, env: { ...this.env, EXAI_WS_PORT: String(this.port) } });
  }

  /** Runs a command of `exai-daemon` at which a person sits. */
  interactive(...args: string[]): CommandSession {
    const env = { ...this.env, EXAI_WS_PORT: String(this.port) };
    return new CommandSession(startCommand(this.home, { args, env }));
  }

  /** Kills the daemon, as when the machine has no memory left, and starts it on the same port. */
  async restart(): Promise<void> {
    const { port } = this;
    await this.#end();
    const env = { ...this.env, EXAI_WS_PORT: String(port) };
    this.daemon = await startDaemon({ home: this.home, env });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const opened of this.#windows) await opened[Symbol.asyncDispose]();
    await this.#end();
    await removeHome(this.home);
  }

  async #end(): Promise<void> {
    await this.daemon[Symbol.asyncDispose]();
    this.#canaries?.say("the daemon's streams", this.daemon.banner + await this.daemon.stderr);
  }
}
