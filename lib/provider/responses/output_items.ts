import { isObject, type JsonObject, textOf } from "../../base/json.ts";
import { definedFields } from "../api/request_fields.ts";

/** An output item that is being received: a message, a function call, reasoning, a web search. */
export interface OutputItem {
  /** The item as the provider sent it last. */
  item: JsonObject;
  /** The text of a message, or the arguments of a function call. */
  text: string;
}

/**
 * The output items of one response, in order. Events name an item by `output_index` and by its id. Some servers leave the
 * index out or repeat it, others change the ids from event to event; either is enough.
 */
export class OutputItems {
  readonly #items = new Map<number, OutputItem>();
  readonly #placeById = new Map<string, number>();

  get size(): number {
    return this.#items.size;
  }

  /** The item an event of a stream adds to; created as one of `type` if no event has announced it. */
  at(event: JsonObject, type: string): OutputItem {
    const place = this.#find(textOf(event.item_id), event.output_index) ?? this.#lastPlace;
    const known = place === undefined ? undefined : this.#items.get(place);
    return known?.item.type === type ? known : this.#put(this.#freePlace(event.output_index), { type });
  }

  /** Adds an item that an event announces. */
  add({ output_index: index }: JsonObject, item: JsonObject): OutputItem {
    return this.#put(this.#freePlace(index), item);
  }

  /** Takes over a completed item, whether it was announced or not. */
  complete({ output_index: index }: JsonObject, item: JsonObject): OutputItem {
    const kept = this.#same(item, index) ?? this.add({ output_index: index }, item);
    // Kept as it came, to be sent back; a server may tell the phase of a message and the name of a call only at first.
    const { phase, name, call_id } = kept.item;
    kept.item = { ...definedFields({ phase, name, call_id }), ...item };
    if (item.type === "function_call") kept.text = textOf(item.arguments) || kept.text;
    return kept;
  }

  /** The items of `type`, in order. */
  ofType(type: string): OutputItem[] {
    return this.#sorted().filter(({ item }) => item.type === type);
  }

  /**
   * The items as the input of a follow-up. Reasoning without its encrypted content exists only at a provider that has
   * stored it, and the items after it ask for it by their ids; `null`, as outputs have it, is no value of an input.
   */
  asInput(): JsonObject[] {
    const items = this.#sorted().map(({ item }) => item);
    const repeatable = items.filter(isRepeatable);
    const keepsIds = repeatable.length === items.length;
    return repeatable.map((item) =>
      Object.fromEntries(
        Object.entries(item).filter(([key, value]) => value !== null && (keepsIds || key !== "id")),
      )
    );
  }

  #sorted(): OutputItem[] {
    return [...this.#items.entries()].sort(([a], [b]) => a - b).map(([, item]) => item);
  }

  get #lastPlace(): number | undefined {
    return this.#items.size === 0 ? undefined : Math.max(...this.#items.keys());
  }

  #find(id: string | undefined, index: unknown): number | undefined {
    const byId = id === undefined ? undefined : this.#placeById.get(id);
    return byId ?? (typeof index === "number" && this.#items.has(index) ? index : undefined);
  }

  /** The place of `index`, or behind all others where that is taken or not told. */
  #freePlace(index: unknown): number {
    if (typeof index === "number" && !this.#items.has(index)) return index;
    return (this.#lastPlace ?? -1) + 1;
  }

  #put(place: number, item: JsonObject): OutputItem {
    const added = { item, text: textOf(item.arguments) ?? "" };
    this.#items.set(place, added);
    if (typeof item.id === "string") this.#placeById.set(item.id, place);
    return added;
  }

  /** The item that `item` completes: the one with its id, its call, its text, or its type in its place. */
  #same(item: JsonObject, index: unknown): OutputItem | undefined {
    const byId = this.#placeById.get(textOf(item.id) ?? "");
    if (byId !== undefined) return this.#items.get(byId);
    const peers = this.ofType(textOf(item.type) ?? "");
    const text = textOfParts(Array.isArray(item.content) ? item.content.filter(isObject) : []);
    const equal = peers.find((peer) =>
      item.type === "function_call"
        ? item.call_id !== undefined && peer.item.call_id === item.call_id
        : text !== "" && peer.text === text
    );
    if (equal !== undefined) return equal;
    const inPlace = typeof index === "number" ? this.#items.get(index) : undefined;
    const isOpen = inPlace !== undefined && inPlace.item.type === item.type &&
      (item.type !== "function_call" || inPlace.item.call_id === undefined);
    return isOpen ? inPlace : undefined;
  }
}

/** The text of the parts of a message, refusals included. */
export function textOfParts(parts: readonly JsonObject[]): string {
  return parts.map(({ text, refusal }) => textOf(text) ?? textOf(refusal) ?? "").join("");
}

function isRepeatable({ type, encrypted_content: encrypted }: JsonObject): boolean {
  return type !== "reasoning" || typeof encrypted === "string";
}
