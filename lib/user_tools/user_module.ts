import { basename, extname, toFileUrl } from "@std/path";
import { ExaiError, messageOf } from "../base/errors.ts";
import type { Json, JsonObject } from "../base/json.ts";
import { isCompiled } from "../config/paths.ts";
import type { Tool, ToolContext } from "../tool/tool.ts";
import { defineUserTool } from "../tool/user_tool.ts";
import { NotStarted, ToolWorker } from "./tool_worker.ts";

export interface LoadOptions {
  /** Time limit of loading the module, in milliseconds. */
  timeoutMs: number;
  /** Aborted when the daemon stops. */
  signal: AbortSignal;
}

/** One version of a file with a tool, with a worker that is replaced when it ends. */
export class UserModule implements Disposable {
  readonly tool: Tool;
  readonly #path: string;
  readonly #options: LoadOptions;
  #worker: ToolWorker;
  #restarting: Promise<ToolWorker> | undefined;
  #isReplaced = false;

  private constructor(path: string, { worker, definition }: Started, options: LoadOptions) {
    this.#path = path;
    this.#options = options;
    this.#worker = worker;
    this.tool = defineUserTool(definition, {
      fallbackName: toolNameOf(path),
      run: (args, context) => this.#run(args, context),
    });
  }

  /**
   * Loads the file at `path` in a worker.
   *
   * @throws {ExaiError} `CONFIG` with what is wrong with it
   */
  static async load(path: string, options: LoadOptions): Promise<UserModule> {
    const started = await start(path, options);
    try {
      return new UserModule(path, started, options);
    } catch (thrown) {
      started.worker[Symbol.dispose]();
      throw thrown;
    }
  }

  /** Called when a newer version replaces this one, on which running calls still end. */
  retire(): void {
    this.#isReplaced = true;
    this.#worker.retire();
  }

  [Symbol.dispose](): void {
    this.#isReplaced = true;
    this.#worker[Symbol.dispose]();
  }

  async #run(args: JsonObject, context: ToolContext): Promise<Json | undefined> {
    for (;;) {
      const worker = await this.#ready();
      try {
        return await worker.run(args, context);
      } catch (thrown) {
        if (!(thrown instanceof NotStarted)) throw thrown;
      }
    }
  }

  /** The worker, or a new one when it takes no more calls. */
  #ready(): ToolWorker | Promise<ToolWorker> {
    return this.#worker.isRetired ? this.#restarting ??= this.#restart() : this.#worker;
  }

  async #restart(): Promise<ToolWorker> {
    const { name } = this.tool;
    try {
      if (this.#isReplaced) throw new ExaiError("INTERNAL", "it has just been replaced; call it again");
      this.#worker = (await start(this.#path, this.#options)).worker;
      if (this.#isReplaced) this.#worker.retire();
      return this.#worker;
    } catch (thrown) {
      throw new ExaiError("INTERNAL", `${name} cannot be started again: ${messageOf(thrown)}`);
    } finally {
      this.#restarting = undefined;
    }
  }
}

/** The default name of a tool: its file name without the extension. */
function toolNameOf(path: string): string {
  return basename(path, extname(path));
}

type Started = Awaited<ReturnType<typeof ToolWorker.start>>;

async function start(path: string, options: LoadOptions): Promise<Started> {
  try {
    return await ToolWorker.start(toolNameOf(path), { url: toFileUrl(path).href, ...options });
  } catch (thrown) {
    if (!path.endsWith(".ts") || !isCompiled()) throw thrown;
    throw new ExaiError(
      "CONFIG",
      `${messageOf(thrown)}. The compiled exai-daemon does not read TypeScript: make JavaScript of it ` +
        `(deno bundle ${basename(path)} -o ${toolNameOf(path)}.js), or run the daemon with deno`,
    );
  }
}
