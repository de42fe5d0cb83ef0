import { resolvedWithin } from "../../../base/abort.ts";
import { ExaiError } from "../../../base/errors.ts";
import { SECOND_MS } from "../../../base/units.ts";
import { type Era, MODERN_REVISIONS } from "../../../wire/client_claim.ts";
import type { InitializeResult } from "../../../wire/mcp.ts";
import { meansLegacy } from "../../../remote/era_refusals.ts";
import type { Result } from "../../../wire/rpc.ts";
import { type DiscoverVerdict, readDiscover } from "./discover.ts";

/** What is known of a server before it is started. */
export type KnownEra =
  /** It is spoken with in no other way. */
  | { is: "configured"; era: Era }
  /** Tried first. */
  | { is: "remembered"; era: Era }
  /** It ended when it was asked. */
  | { is: "presumed"; era: "legacy" }
  | { is: "unknown" };

/** How a server that has been started is spoken with. */
type Agreed =
  | { era: "legacy"; description: InitializeResult }
  | { era: "modern"; description: InitializeResult; revision: string };

interface EraQuestions {
  /** The server's name. */
  name: string;
  known: KnownEra;
  /** Sends `server/discover` in a revision; rejects when the connection fails. */
  discover(revision: string): Promise<Result>;
  /**
   * Initializes the server.
   *
   * @throws {Error} when it refuses; {ExaiError} when the connection fails
   */
  initialize(): Promise<InitializeResult>;
  /**
   * Resolves when a server has left `server/discover` unanswered for long enough to be asked otherwise; undefined where
   * silence is a fault. Called once; the signal is aborted when that does not matter any more.
   */
  silence: ((signal: AbortSignal) => Promise<void>) | undefined;
  /** Resolves when the server has ended. */
  ended: Promise<unknown>;
  /** Called when the server has shown its era; undefined: what was remembered is wrong. */
  onFound(era: Era | undefined): void;
}

/** The connection is of no use any more: the server is to be started again, as `next` says. */
export class StartAgainError extends Error {
  constructor(readonly next: KnownEra, override readonly cause: unknown) {
    super("it is to be started again", { cause });
  }
}

/** The server ended, or closed its pipe, at the question which era it speaks, as some of the legacy era do. */
function endedOnProbe(thrown: unknown): StartAgainError {
  return new StartAgainError({ is: "presumed", era: "legacy" }, thrown);
}

/** How long `initialize` may stay unanswered by a server that has answered `server/discover` meanwhile. */
const BESIDE_MS = 2 * SECOND_MS;

/** How long after its pipe was closed a server may take to end. */
const END_MS = SECOND_MS;

/** HTTP statuses with which servers of the modern era refuse `initialize`. */
const REFUSALS: readonly unknown[] = [400, 404, 405];

/**
 * Finds out which era a server speaks and has it describe itself, on the connection that is used from then on: one
 * request where the era is known, two where it is not (MCP basic/versioning, backward compatibility).
 *
 * Silence alone decides nothing. A server that starts slowly gets `initialize` behind the `server/discover` that it has
 * not read yet, and its answers to both decide.
 *
 * @throws {StartAgainError} for a server that ends, or is found to be of another era too late for the connection
 * @throws {Error} with what is wrong with its answer; {ExaiError} when the connection fails
 */
export async function findEra(questions: EraQuestions): Promise<Agreed> {
  const { known } = questions;
  if (known.is !== "unknown" && known.era === "legacy") return await initializeFirst(questions);
  const discovered = discover(questions, MODERN_REVISIONS[0]);
  if (known.is === "configured") return modern(await discovered);
  const { silence } = questions;
  if (!silence) return await decide(questions, await discovered.catch(refusalOrThrow));
  // The outcome, as two are waited for.
  const isAnswered = new AbortController();
  const first = await Promise.race([settled(discovered), silence(isAnswered.signal).then(() => undefined)]);
  isAnswered.abort();
  if (!first) return await askBoth(questions, discovered);
  if ("thrown" in first) throw endedOnProbe(first.thrown);
  return await decide(questions, first.value);
}

/** The verdict, after a second request where the server speaks another revision. */
async function discover({ name, discover }: EraQuestions, asked: string): Promise<DiscoverVerdict> {
  const verdict = readDiscover(await discover(asked), { asked, server: name });
  if (verdict.is !== "other revision") return verdict;
  const { revision } = verdict;
  const again = readDiscover(await discover(revision), { asked: revision, server: name });
  return again.is === "other revision"
    ? { is: "fault", why: `it says that it speaks MCP ${revision}, and refuses it` }
    : again;
}

async function decide(questions: EraQuestions, verdict: DiscoverVerdict): Promise<Agreed> {
  if (verdict.is !== "legacy") {
    const agreed = modern(verdict);
    if (questions.known.is === "unknown") questions.onFound("modern");
    return agreed;
  }
  const description = await questions.initialize();
  questions.onFound("legacy");
  return { era: "legacy", description };
}

function modern(verdict: DiscoverVerdict): Agreed {
  if (verdict.is === "modern") {
    const { description, revision } = verdict;
    return { era: "modern", description, revision };
  }
  if (verdict.is === "fault") throw new Error(verdict.why);
  throw new Error(
    `it does not speak MCP ${
      MODERN_REVISIONS.join(", ")
    }, which mcp.json says it does: it refused server/discover; ` +
      "take era out of its entry, or write legacy",
  );
}

/** A URL that refuses the request as servers of the legacy era do; throws what says nothing of the era. */
function refusalOrThrow(thrown: unknown): DiscoverVerdict {
  if (meansLegacy(thrown)) return { is: "legacy" };
  throw thrown;
}

/** `server/discover` is not answered yet: sends `initialize` too. */
async function askBoth(questions: EraQuestions, discovered: Promise<DiscoverVerdict>): Promise<Agreed> {
  const { onFound } = questions;
  /** Also later: the next start is to know. */
  const isModern = discovered.then((verdict) => verdict.is === "modern", () => false);
  const initialized = settled(questions.initialize());
  const first = await Promise.race([initialized, untilModern(discovered)]);
  // A server of the modern era need not answer `initialize` at all.
  const outcome = first ?? await resolvedWithin(initialized, BESIDE_MS);
  if (outcome && !("thrown" in outcome)) {
    onFound("legacy");
    void isModern.then((is) => is && onFound("modern"));
    // `initialize` has made it speak legacy, whatever else it can (MCP basic/versioning).
    return { era: "legacy", description: outcome.value };
  }
  if (outcome && await resolvedWithin(questions.ended, END_MS)) throw endedOnProbe(outcome.thrown);
  const verdict = await discovered.catch(() => undefined);
  if (verdict && verdict.is !== "legacy") {
    const agreed = modern(verdict);
    onFound("modern");
    return agreed;
  }
  throw outcome!.thrown;
}

/** Resolves once the server is known to be of the modern era, never otherwise. */
function untilModern(discovered: Promise<DiscoverVerdict>): Promise<undefined> {
  return new Promise((resolve) => {
    discovered.then((verdict) => verdict.is !== "legacy" && resolve(undefined), () => {});
  });
}

/** For a server known to be of the legacy era, which may have been updated since. */
async function initializeFirst(questions: EraQuestions): Promise<Agreed> {
  const { known, onFound } = questions;
  try {
    return { era: "legacy", description: await questions.initialize() };
  } catch (thrown) {
    const status = thrown instanceof ExaiError ? thrown.details?.status : undefined;
    const isRefusal = !(thrown instanceof ExaiError) || REFUSALS.includes(status);
    // A server that wants a login first says nothing of its era by that.
    const isRefusedToAll = thrown instanceof ExaiError && thrown.code === "LOGIN_REQUIRED";
    if (known.is === "configured" || isRefusedToAll) throw thrown;
    // Whatever the failure: an update may end at `initialize`, or leave it unanswered, and would do so at each start.
    if (isRefusal || known.is === "remembered") onFound(undefined);
    if (!isRefusal) {
      throw await hasEndedOn(questions) ? new StartAgainError({ is: "unknown" }, thrown) : thrown;
    }
    // Over HTTP the two eras have different connections.
    if (!questions.silence) throw new StartAgainError({ is: "unknown" }, thrown);
    const verdict = await discover(questions, MODERN_REVISIONS[0]).catch(() => undefined);
    if (verdict?.is !== "modern") throw thrown;
    onFound("modern");
    return modern(verdict);
  }
}

/** Whether a server that was remembered has ended, or closed its pipe, at `initialize`. */
async function hasEndedOn({ known, silence, ended }: EraQuestions): Promise<boolean> {
  if (known.is !== "remembered" || !silence) return false;
  return await resolvedWithin(ended, END_MS) !== undefined;
}

type Settled<T> = { value: T } | { thrown: unknown };

function settled<T>(work: Promise<T>): Promise<Settled<T>> {
  return work.then((value) => ({ value }), (thrown) => ({ thrown }));
}
