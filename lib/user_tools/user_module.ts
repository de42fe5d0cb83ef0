import { basename, extname, toFileUrl } from "@std/path";
import { ExaiError, messageOf } from "../base/errors.ts";
import type { Json, JsonObject } from "../base/json.ts";
import { isCompiled } from "../config/paths.ts";
import type { Tool, ToolContext } from "../tool/tool.ts";
import { defineUserTool } from "../tool/user_tool.ts";
import { NotBegun, ToolThread } from "./tool_thread.ts";

export interface LoadOptions {
  /** How long the module may take to load. */
  timeoutMs: number;
  /** Aborted when the daemon stops. */
  signal: AbortSignal;
}

/** One version of one file with a tool in it. */
export class UserModule implements Disposable {
  readonly tool: Tool;
  readonly #path: string;
  readonly #options: LoadOptions;
  #thread: ToolThread;
  #starting: Promise<ToolThread> | undefined;
  #isReplaced = false;

  private constructor(path: string, thread: ToolThread, options: LoadOptions) {
    this.#path = path;
    this.#options = options;
    this.#thread = thread;
    this.tool = defineUserTool(thread.said, {
      fallbackName: toolNameOf(path),
      run: (args, context) => this.#run(args, context),
    });
  }

  /**
   * Loads the file at `path` in a thread of its own.
   *
   * @throws {ExaiError} `CONFIG` with what is wrong with it
   */
  static async load(path: string, options: LoadOptions): Promise<UserModule> {
    const thread = await start(path, options);
    try {
      return new UserModule(path, thread, options);
    } catch (thrown) {
      thread[Symbol.dispose]();
      throw thrown;
    }
  }

  /** There is another version now: calls that run end on this one. */
  retire(): void {
    this.#isReplaced = true;
    this.#thread.retire();
  }

  [Symbol.dispose](): void {
    this.#isReplaced = true;
    this.#thread[Symbol.dispose]();
  }

  async #run(args: JsonObject, context: ToolContext): Promise<Json | undefined> {
    for (;;) {
      const thread = await this.#ready();
      try {
        return await thread.run(args, context);
      } catch (thrown) {
        if (!(thrown instanceof NotBegun)) throw thrown;
      }
    }
  }

  /** The thread, or the next one when that has been given up. */
  #ready(): ToolThread | Promise<ToolThread> {
    return this.#thread.isRetired ? this.#starting ??= this.#restart() : this.#thread;
  }

  async #restart(): Promise<ToolThread> {
    const { name } = this.tool;
    try {
      if (this.#isReplaced) throw new ExaiError("INTERNAL", "it has just been replaced; call it again");
      this.#thread = await start(this.#path, this.#options);
      if (this.#isReplaced) this.#thread.retire();
      return this.#thread;
    } catch (thrown) {
      throw new ExaiError("INTERNAL", `${name} cannot be started again: ${messageOf(thrown)}`);
    } finally {
      this.#starting = undefined;
    }
  }
}

/** What a tool is called that does not say: its file without the extension. */
function toolNameOf(path: string): string {
  return basename(path, extname(path));
}

async function start(path: string, options: LoadOptions): Promise<ToolThread> {
  try {
    return await ToolThread.start(toolNameOf(path), { url: toFileUrl(path).href, ...options });
  } catch (thrown) {
    if (!path.endsWith(".ts") || !isCompiled()) throw thrown;
    throw new ExaiError(
      "CONFIG",
      `${messageOf(thrown)}. The compiled exai-daemon does not read TypeScript: make JavaScript of it ` +
        `(deno bundle ${basename(path)} -o ${toolNameOf(path)}.js), or run the daemon with deno`,
    );
  }
}
