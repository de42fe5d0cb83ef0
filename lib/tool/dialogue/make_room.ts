import { isObject, type JsonObject } from "../../base/json.ts";
import type { ThreadWithTurns, Turn } from "../../state/thread_store.ts";
import type { ToolContext } from "../tool.ts";
import { describeUsage } from "./model_reply.ts";
import { CONDENSED, toHistory, writeHistory, writeStandIn } from "./history.ts";
import { summarise, type Summary } from "./summarise.ts";

interface RoomOptions {
  /** The tool whose steps the next exchange is one of: those of its current run stay. */
  tool?: string;
  /** Whether a model may be asked for a summary. */
  asksModels?: boolean;
}

/** What stood for exchanges that went before, where no model summarises it anew. */
const MAX_EARLIER_CHARS = 8000;

/**
 * Makes room in a thread that is full (MAX_CONVERSATION_TURNS): its oldest exchanges are replaced by a summary, or left
 * out where no model is there for one. Steps of work that goes on stay. Returns what was done, for the metadata.
 */
export async function makeRoom(
  { thread, turns }: ThreadWithTurns,
  context: ToolContext,
  { tool, asksModels = true }: RoomOptions = {},
): Promise<JsonObject | undefined> {
  if (thread.remainingTurns > 0) return undefined;
  const drop = oldestOf(turns, tool);
  if (drop.length === 0) return undefined;
  const dropped = drop.map((place) => turns[place]!);
  const summary = asksModels && drop.length > 1 ? await summaryOf(dropped, context) : undefined;
  const count = dropped.reduce((sum, turn) => sum + exchangesIn(turn), 0);
  // One that goes alone leaves no place for a note.
  const { earlier = "" } = toHistory(dropped);
  const text = writeStandIn(count, {
    summary,
    whyLeftOut: "for the thread was full",
    earlier: earlier.slice(-MAX_EARLIER_CHARS),
  });
  const instead = drop.length > 1 ? { tool: CONDENSED, request: { text, exchanges: count } } : undefined;
  const isDone = await context.threads.condense(thread.id, { of: turns.length, drop, instead });
  if (!isDone) return undefined;
  return {
    exchanges_left_out: count,
    why: "the thread was full (MAX_CONVERSATION_TURNS)",
    summarised_by: summary?.by,
    summary_usage: summary && describeUsage(summary.usage),
    summary_cost: summary?.cost && { ...summary.cost },
  };
}

/** `facts` with what {@linkcode makeRoom} has done, beside what the model's window left no room for. */
export function withRoom(facts: JsonObject | undefined, room: JsonObject | undefined): JsonObject {
  if (room === undefined) return { ...facts };
  return { ...facts, thread: isObject(facts?.thread) ? { ...facts.thread, made_room: room } : room };
}

/** The places of the older half of what may go. Unfinished work of other tools goes only where nothing else can. */
function oldestOf(turns: readonly Turn[], tool: string | undefined): number[] {
  const places = turns.map((turn, place) => ({ turn, place }));
  const isCurrent = ({ tool: of, run }: Turn) =>
    run === Math.max(...turns.filter((turn) => turn.tool === of).map((turn) => turn.run));
  const isOpen = (turn: Turn) =>
    turn.step !== undefined && isCurrent(turn) &&
    !turns.some(({ tool, run, step }) => tool === turn.tool && run === turn.run && step?.last);
  const own = (turn: Turn) => turn.tool === tool && turn.step !== undefined && isCurrent(turn);
  const finished = places.filter(({ turn }) => !own(turn) && !isOpen(turn));
  const others = places.filter(({ turn }) => !own(turn));
  // A summary that would only replace itself makes no room.
  const candidates = finished.length > 1 || finished.some(({ turn }) => turn.tool !== CONDENSED)
    ? finished
    : others;
  const count = Math.max(Math.min(2, candidates.length), Math.ceil(candidates.length / 2));
  return candidates.slice(0, count).map(({ place }) => place);
}

async function summaryOf(dropped: readonly Turn[], context: ToolContext): Promise<Summary | undefined> {
  const provider = dropped.findLast(({ reply }) => typeof reply?.provider === "string")?.reply?.provider;
  if (typeof provider !== "string") return undefined;
  return await summarise(writeHistory(toHistory(dropped)).join("\n\n"), context, provider);
}

function exchangesIn({ tool, request }: Turn): number {
  return tool === CONDENSED ? Number(request.exchanges) : 1;
}
