import { getLogger } from "@logtape/logtape";
import type { JsonObject } from "../../base/json.ts";
import { sift, type Sifted } from "../../call/definitions.ts";
import { siftOutputSchemas } from "../../call/output_schemas.ts";
import type { ListKind } from "../../call/server.ts";
import { truncationOf } from "./list_cache.ts";
import type { ToolFilter } from "./tool_filter.ts";

const log = getLogger(["exai", "upstream"]);

/**
 * The lists of one server as the merged catalog shows them: only what every client takes, and of its tools those that
 * the configuration offers, under the names it gives them. Each list is gone over once, when it has come.
 */
export class ShownLists {
  readonly #server: string;
  readonly #tools: ToolFilter;
  readonly #sifted = new WeakMap<readonly JsonObject[], Promise<Sifted>>();
  /** What was found wrong, for those lists that are looked at by now. */
  readonly #faults = new WeakMap<readonly JsonObject[], readonly string[]>();
  readonly #logged = new Map<ListKind, string>();

  constructor(server: string, tools: ToolFilter) {
    this.#server = server;
    this.#tools = tools;
  }

  /** `list`, which is of `kind`, as it is shown; the same array each time. */
  async of(kind: ListKind, list: readonly JsonObject[]): Promise<readonly JsonObject[]> {
    let sifted = this.#sifted.get(list);
    if (!sifted) this.#sifted.set(list, sifted = this.#look(kind, list));
    return (await sifted).entries;
  }

  /** What is wrong with `list`, as far as it was looked at: it ends early, entries are left out. */
  faultsOf(list: readonly JsonObject[]): readonly string[] {
    return this.#faults.get(list) ?? [];
  }

  async #look(kind: ListKind, list: readonly JsonObject[]): Promise<Sifted> {
    // What is not offered can do no harm, and needs no mention.
    const offered = kind === "tools" ? list.filter((tool) => this.#tools.offersEntry(tool)) : list;
    const first = sift(kind, offered);
    const { entries, faults } = kind === "tools" ? await siftOutputSchemas(first) : first;
    const all = [...[truncationOf(list) ?? []].flat(), ...faults].map((fault) => `${kind}: ${fault}`);
    this.#faults.set(list, all);
    this.#log(kind, all);
    return { entries: kind === "tools" ? this.#tools.named(entries) : entries, faults };
  }

  /** Once, however often the list comes again. */
  #log(kind: ListKind, faults: readonly string[]): void {
    const text = faults.join("; ");
    if (text === (this.#logged.get(kind) ?? "")) return;
    this.#logged.set(kind, text);
    if (text !== "") log.warning("{server}: {text}", { server: this.#server, text });
  }
}
