import { isObject, textOf } from "../../base/json.ts";
import type { Caller } from "../../call/call.ts";
import type { KnownServerFacts } from "../../call/server.ts";
import type { ListMemory } from "./list_memory.ts";
import type { ShownLists } from "./shown_lists.ts";

/** What is known of one server without starting it. */
export class KnownLists {
  readonly #memory: ListMemory;
  readonly #shown: ShownLists;

  constructor(memory: ListMemory, shown: ShownLists) {
    this.#memory = memory;
    this.#shown = shown;
  }

  /** What the server says of itself, and the tools of it that the configuration offers. */
  factsFor(caller: Caller): KnownServerFacts {
    const { description, lists } = this.#memory.viewOf(caller);
    const tools = lists.get("tools");
    const { instructions, capabilities } = description ?? {};
    return {
      instructions: textOf(instructions),
      extensions: isObject(capabilities?.extensions) ? capabilities.extensions : undefined,
      tools: tools && this.#shown.offered(tools),
    };
  }

  /** Whether it is known what tools the server has. */
  get areThere(): boolean {
    return this.#memory.isKnown;
  }

  /** Forgets what an account was shown: it is signed in to anew, perhaps by somebody else. */
  forgetAccount(account: string): void {
    this.#memory.forgetAccount(account);
  }

  /** What is wrong with the lists: entries that clients would reject, lists without end. */
  get faults(): string[] {
    const faults = Array.from(this.#memory.lists(), ([, list]) => this.#shown.faultsOf(list));
    return [...new Set(faults.flat())];
  }
}
