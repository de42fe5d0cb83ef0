import { getLogger } from "@logtape/logtape";
import type { JsonObject } from "../../base/json.ts";
import { sift, type Sifted } from "../../call/definitions.ts";
import { siftOutputSchemas } from "../../call/output_schemas.ts";
import type { ListKind } from "../../call/server.ts";
import { truncationOf } from "./list_cache.ts";
import type { ToolFilter } from "./tool_filter.ts";

const log = getLogger(["exai", "upstream"]);

/**
 * The lists of one server as the merged catalog takes them: without entries that some client rejects, and with only the
 * tools the configuration offers. Each list is checked once.
 */
export class ShownLists {
  readonly #server: string;
  readonly #tools: ToolFilter;
  readonly #sifted = new WeakMap<readonly JsonObject[], Promise<Sifted>>();
  /** The faults of lists that are checked already. */
  readonly #faults = new WeakMap<readonly JsonObject[], readonly string[]>();
  readonly #logged = new Map<ListKind, string>();

  constructor(server: string, tools: ToolFilter) {
    this.#server = server;
    this.#tools = tools;
  }

  /** `list`, of `kind`, as it is shown; the same array each time. */
  async of(kind: ListKind, list: readonly JsonObject[]): Promise<readonly JsonObject[]> {
    let sifted = this.#sifted.get(list);
    if (!sifted) this.#sifted.set(list, sifted = this.#look(kind, list));
    return (await sifted).entries;
  }

  /** The tools of `list` that the configuration offers, whether clients would reject them or not. */
  offered(list: readonly JsonObject[]): readonly JsonObject[] {
    return list.filter((tool) => this.#tools.offersEntry(tool));
  }

  /** What is wrong with `list`, if it is checked already: it is truncated, entries are left out. */
  faultsOf(list: readonly JsonObject[]): readonly string[] {
    return this.#faults.get(list) ?? [];
  }

  async #look(kind: ListKind, list: readonly JsonObject[]): Promise<Sifted> {
    // Faults of tools that are not offered do not matter.
    const offered = kind === "tools" ? this.offered(list) : list;
    const first = sift(kind, offered);
    const { entries, faults } = kind === "tools" ? await siftOutputSchemas(first) : first;
    const all = [...[truncationOf(list) ?? []].flat(), ...faults].map((fault) => `${kind}: ${fault}`);
    this.#faults.set(list, all);
    this.#log(kind, all);
    return { entries, faults };
  }

  /** Logs faults once, however often the same list is read. */
  #log(kind: ListKind, faults: readonly string[]): void {
    const text = faults.join("; ");
    if (text === (this.#logged.get(kind) ?? "")) return;
    this.#logged.set(kind, text);
    if (text !== "") log.warning("{server}: {text}", { server: this.#server, text });
  }
}
