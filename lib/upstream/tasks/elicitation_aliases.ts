import { isObject, type Json } from "../../base/json.ts";
import type { Caller } from "../../call/call.ts";
import type { Result } from "../../wire/rpc.ts";
import { memberOf, type Params, RawObject } from "../../wire/raw_object.ts";
import { BoundedMap } from "../bounded_map.ts";
import { MAX_HANDLE_CHARS } from "./handle_table.ts";

/** Names kept at most, for a session and for an instance; beyond that the oldest are forgotten. */
const MAX_NAMES = 10_000;

/** The elicitation ids each session knows, of any server, and the aliases of the instance that gave them out. */
const known = new WeakMap<Caller, Map<string, ElicitationAliases>>();

/**
 * The ids of one instance's URL elicitations as its sessions know them (MCP client/elicitation). Two servers of a session
 * may use the same id, for example by counting, and the client would mistake the completion of one for that of the
 * other. The second use of an id in a session gets an alias; clients never send one back.
 */
export class ElicitationAliases {
  readonly #shown = new WeakMap<Caller, Map<string, string>>();

  /** The parameters of a question or of its completion with the client's elicitation id. */
  toClient<P extends Params>(caller: Caller, params: P): P {
    const own = memberOf(params, "elicitationId");
    if (typeof own !== "string") return params;
    const name = this.#nameOf(caller, own);
    if (name === own) return params;
    return (params instanceof RawObject
      ? params.with("elicitationId", name)
      : { ...params, elicitationId: name }) as P;
  }

  /** An error that requires URL elicitations (-32042) with the client's elicitation ids; written again if one differs. */
  resultToClient(caller: Caller, answer: Result): Result {
    const data = answer.error?.data;
    if (!isObject(data) || !Array.isArray(data.elicitations)) return answer;
    const elicitations = data.elicitations.map((one) => isObject(one) ? this.toClient(caller, one) : one);
    if (elicitations.every((one, i) => one === (data.elicitations as Json[])[i])) return answer;
    return { error: { ...answer.error!, data: { ...data, elicitations } } };
  }

  #nameOf(caller: Caller, own: string): string {
    if (own.length > MAX_HANDLE_CHARS) return own;
    const names = entryOf(known, caller);
    const holder = names.get(own);
    if (holder === this) return own;
    if (holder === undefined) {
      names.set(own, this);
      return own;
    }
    const shown = entryOf(this.#shown, caller);
    if (!shown.has(own)) shown.set(own, crypto.randomUUID());
    return shown.get(own)!;
  }
}

function entryOf<V>(maps: WeakMap<Caller, Map<string, V>>, caller: Caller): Map<string, V> {
  let map = maps.get(caller);
  if (!map) maps.set(caller, map = new BoundedMap(MAX_NAMES));
  return map;
}
