import { counted } from "../../base/text.ts";
import { shownName } from "./secrets.ts";

/** Omitted material and the reason. */
export interface LeftOut {
  name: string;
  reason: string;
}

/** Kinds of omissions, most important first, and what is said of many. */
const KINDS = {
  unreadable: "cannot be shown",
  secret: "usually hold secrets",
  redacted: "have secrets in them, which are not shown",
  converted: "were scaled down or converted",
  guessed: "were read in an encoding that is a guess",
  skipped: "are not worth reading",
  too_many: "are too many to look at",
  duplicate: "have the content of others",
  no_room: "do not fit into the model's window",
} as const;

type Kind = keyof typeof KINDS;

/** One omission, or many at once. */
export interface Omission extends LeftOut {
  kind: Kind;
  /** How many files it stands for; 1 by default. */
  count?: number;
}

/** Omissions kept with their names; of the others only the number is known. */
const MAX_NAMED = 50;
const MAX_NAME_CHARS = 300;
const MAX_REASON_CHARS = 400;
/** Tokens that the line about the unnamed rest takes. */
const REST_TOKENS = 60;

/** A note, and how many files it stands for. */
interface CountedNote {
  note: LeftOut;
  count: number;
}

interface NoteOptions {
  budgetTokens: number;
  estimateTokens(text: string): number | Promise<number>;
}

/** Collects omissions in bounded space: the most important with their names, the rest as numbers. */
export class LeftOutList {
  readonly #named = new Map<Kind, CountedNote[]>();
  readonly #total = new Map<Kind, number>();

  add({ name, reason, kind, count = 1 }: Omission): void {
    this.#total.set(kind, (this.#total.get(kind) ?? 0) + count);
    const named = this.#named.get(kind) ?? [];
    this.#named.set(kind, named);
    if (named.length >= MAX_NAMED) return;
    const note = { name: shownName(name, MAX_NAME_CHARS), reason: shownName(reason, MAX_REASON_CHARS) };
    named.push({ note, count });
  }

  /** The omissions as notes that take at most about `budgetTokens`, the last of them about the unnamed rest. */
  async within({ budgetTokens, estimateTokens }: NoteOptions): Promise<LeftOut[]> {
    const notes: LeftOut[] = [];
    const rest = new Map(this.#total);
    let remaining = budgetTokens - REST_TOKENS;
    for (const kind of Object.keys(KINDS) as Kind[]) {
      for (const { note, count } of this.#named.get(kind) ?? []) {
        if (notes.length >= MAX_NAMED || remaining <= 0) break;
        const tokens = await estimateTokens(renderNote(note));
        if (tokens > remaining) continue;
        remaining -= tokens;
        notes.push(note);
        rest.set(kind, rest.get(kind)! - count);
      }
    }
    const unnamed = [...rest].filter(([, count]) => count > 0);
    if (unnamed.length === 0) return notes;
    const total = unnamed.reduce((sum, [, count]) => sum + count, 0);
    const reason = unnamed.map(([kind, count]) => `${count} ${KINDS[kind]}`).join("; ");
    return [...notes, { name: counted(total, "more file"), reason }];
  }
}

/** The omission of what has about `tokens` tokens where the model's window has only `left`. */
export function noRoom(name: string, { tokens, left }: { tokens?: number; left: number }): Omission {
  const size = tokens === undefined ? "too large" : `about ${tokens} tokens`;
  return { name, reason: `${size}, and the model's window has ${left} tokens left`, kind: "no_room" };
}

/** One note as a line of a prompt. */
export function renderNote({ name, reason }: LeftOut): string {
  return `- ${name}: ${reason}`;
}
