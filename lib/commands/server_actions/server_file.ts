import { ExaiError, messageOf } from "../../base/errors.ts";
import { isObject, type JsonObject, valueAt } from "../../base/json.ts";
import { didYouMean } from "../../base/suggest.ts";
import { quoteName } from "../../base/text.ts";
import { askDaemon, isDaemonRunning } from "../../client/daemon_client.ts";
import { statePaths } from "../../config/paths.ts";
import { catalogName, findSections, type FoundEntry, isComment } from "../../config/servers.ts";
import type { Settings } from "../../config/settings.ts";
import { whyUntrusted } from "../../config/trust.ts";
import { type DocumentEdit, type DocumentPath, editDocument } from "../../documents/document.ts";
import { type FileImage, readFileImage, replaceFile } from "../../documents/files.ts";
import { JSONC } from "../../documents/jsonc.ts";
import { lockConfig } from "../config_lock.ts";

/** A server as `mcp.json` has it. */
export interface NamedEntry extends FoundEntry {
  title: string;
}

/** `mcp.json` as it is, to be changed in place: comments, order, line ends and mode stay. */
export class ServerFile {
  readonly path: string;
  /** All of it. */
  readonly value: JsonObject;
  readonly entries: readonly NamedEntry[];
  /** Where a server is added: the first object or array of servers. */
  readonly section: { path: DocumentPath; length: number | undefined; isNull: boolean };
  readonly #image: FileImage | undefined;
  readonly #repeated: readonly string[];

  private constructor(path: string, image: FileImage | undefined) {
    this.path = path;
    this.#image = image;
    const document = JSONC.read(image?.text ?? "");
    if ("reason" in document) {
      const { reason, line, column } = document;
      throw new ExaiError(
        "CONFIG",
        `${path}:${line}:${column}: ${reason}; correct it first, it is left as it is`,
      );
    }
    if (!isObject(document.value)) throw unfit(path, "the file must hold one { } object");
    this.value = document.value;
    const { sections, wrong: [wrong] } = findSections(this.value);
    if (wrong) throw unfit(path, `${wrong.path.join(".")} must be an object of servers by name`);
    this.entries = sections.flatMap(({ entries }) => entries).filter((entry) => isServer(entry));
    const [first] = sections;
    const value = first && valueAt(this.value, first.path);
    this.section = {
      path: first?.path ?? ["mcpServers"],
      length: Array.isArray(value) ? value.length : undefined,
      isNull: first === undefined && this.value.mcpServers === null,
    };
    this.#repeated = sections.flatMap(({ path }) => document.repeatedKeys(path));
  }

  /**
   * Reads the file that the settings name; a missing one has no servers.
   *
   * @throws {ExaiError} `CONFIG`, with the place, when it cannot be read as JSON, or others could write it
   */
  static async open(settings: Settings): Promise<ServerFile> {
    const { config: path } = statePaths(settings);
    const distrust = whyUntrusted(path);
    if (distrust !== undefined) {
      throw new ExaiError(
        "CONFIG",
        `${path} is not used, since its commands would run with your rights: ${distrust}`,
      );
    }
    const image = await readFileImage(path).catch((thrown) => {
      throw thrown instanceof ExaiError ? new ExaiError("CONFIG", `${path} ${thrown.message}`) : thrown;
    });
    return new ServerFile(path, image);
  }

  /**
   * The entry of `name`, which is its name in the file or in the catalog.
   *
   * @throws {ExaiError} `RESOURCE_NOT_FOUND` with the nearest name; `CONFIG` when the file has the name twice
   */
  find(name: string): NamedEntry {
    const found = this.entries.filter(({ title }) => title === name);
    const alike = found.length > 0 ? found : this.entries.filter(({ title }) => catalogName(title) === name);
    const [entry] = alike;
    if (entry === undefined) {
      const names = this.entries.map(({ title }) => title);
      const there = names.length === 0
        ? "it names none"
        : `there are: ${names.map((name) => quoteName(name)).join(", ")}`;
      throw new ExaiError(
        "RESOURCE_NOT_FOUND",
        `${this.path} has no server ${quoteName(name)}${didYouMean(name, names)}; ${there}`,
      );
    }
    if (alike.length > 1 || this.#repeated.includes(entry.title)) {
      throw new ExaiError(
        "CONFIG",
        `${quoteName(name)} stands twice in ${this.path}; delete one of them by hand`,
      );
    }
    return entry;
  }

  /** Whether the file has a server of that name, or one that is called the same in the catalog. */
  has(name: string): boolean {
    const wanted = catalogName(name);
    return this.entries.some(({ title }) => title === name || catalogName(title) === wanted);
  }

  /**
   * The text of the file after `edits`.
   *
   * @throws {ExaiError} `CONFIG` when it cannot be changed in place
   */
  edited(edits: readonly DocumentEdit[]): string {
    try {
      return editDocument(JSONC, this.#image?.text ?? "", edits);
    } catch (thrown) {
      throw thrown instanceof ExaiError ? new ExaiError("CONFIG", `${this.path} ${thrown.message}`) : thrown;
    }
  }

  /**
   * Writes `text` in its place, as a whole.
   *
   * @throws {ExaiError} `CONFIG`: it is read-only, or another program has changed it meanwhile
   */
  async replace(text: string): Promise<void> {
    await replaceFile(this.path, text, this.#image).catch((thrown) => {
      throw thrown instanceof ExaiError ? new ExaiError("CONFIG", `${this.path} ${thrown.message}`) : thrown;
    });
  }
}

/**
 * Changes `mcp.json`, one command at a time.
 *
 * @throws {ExaiError} `CONFIG` when another command does not get done with it; what `change` throws
 */
export async function changeServers<T>(
  settings: Settings,
  change: (file: ServerFile) => Promise<T>,
): Promise<T> {
  using _lock = await lockConfig(statePaths(settings));
  return await change(await ServerFile.open(settings));
}

/** Whether a daemon runs that has what was written, and why one that answers has not read it yet. */
export interface ReloadOutcome {
  isRunning: boolean;
  fault?: string;
}

/** Has the daemon read what was written, if one runs; otherwise the next one does. */
export async function reloadDaemon(settings: Settings): Promise<ReloadOutcome> {
  if (!await isDaemonRunning(settings)) return { isRunning: false };
  try {
    await askDaemon(settings, "/reload", "POST");
    return { isRunning: true };
  } catch (thrown) {
    // The file is written, whatever answers there: another program may have the port.
    return { isRunning: false, fault: `no daemon has been told: ${messageOf(thrown)}` };
  }
}

function unfit(path: string, why: string): ExaiError {
  return new ExaiError("CONFIG", `${path}: ${why}; correct it first, it is left as it is`);
}

function isServer(entry: FoundEntry): entry is NamedEntry {
  return entry.title !== undefined && !isComment(entry.title, entry.value);
}
