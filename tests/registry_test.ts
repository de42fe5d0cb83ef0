import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { ByteBudget } from "../lib/base/byte_budget.ts";
import { ExaiError } from "../lib/base/errors.ts";
import type { JsonObject } from "../lib/base/json.ts";
import type { CallJournal, SessionJournal } from "../lib/session/journal.ts";
import { type NewSession, type RegistryOptions, SessionRegistry } from "../lib/session/registry.ts";
import type { Session } from "../lib/session/session.ts";
import { FakeClock } from "./helpers/fake_clock.ts";

const WANTED: NewSession = { isResumable: true, namedDirs: "read", principal: "owner" };

/** A registry, and what became of its sessions. */
function registryOf(options: Partial<RegistryOptions> = {}) {
  const told: string[] = [];
  const registry = new SessionRegistry({
    resumeWindowMs: 1000,
    idleMs: 0,
    maxFrameBytes: 1000,
    onStart: ({ id }) => told.push(`start ${id}`),
    onEnd: ({ id, ended }) => told.push(`end ${id} ${ended.reason.message}`),
    ...options,
  });
  const create = (wantedId: string, parts: Partial<NewSession> = {}) =>
    registry.create({ ...WANTED, wantedId, ...parts });
  return { registry, create, take: () => told.splice(0) };
}

/** A connection of `session` that keeps how it was closed. */
function connect(session: Session) {
  const line = {
    closed: [] as unknown[],
    send: () => {},
    close: (...how: unknown[]) => void (line.closed = how),
  };
  session.output.attach(line);
  return line;
}

Deno.test("each session has an id of its own, the one it wants if that is free", () => {
  const { registry, create, take } = registryOf();
  const ids = ["a", "a", "a"].map((id) => create(id).id);
  assertEquals(ids, ["a", "a:2", "a:3"]);
  assertMatch(registry.create(WANTED).id, /^[0-9a-f-]{36}$/);
  assertEquals([registry.size, [...registry].length, registry.get("a:2")?.id], [4, 4, "a:2"]);
  assertEquals([take().slice(0, 2), registry.get("b")], [["start a", "start a:2"], undefined]);
});

Deno.test("an id that is none is refused with what one may hold", () => {
  const { create, take } = registryOf();
  for (const id of ["", " a", "a b", "a\n", "é", "x".repeat(129)]) {
    const { code, message } = assertThrows(() => create(id), ExaiError);
    assertEquals([code, message.includes("1 to 128 letters, digits")], ["INVALID_REQUEST", true], id);
  }
  assertEquals(take(), []);
  assertEquals([create("x".repeat(128)).id.length, create("a_.:@-Z9").id], [128, "a_.:@-Z9"]);
});

Deno.test("a session is taken over by who shows its token on behalf of the same principal, and by nobody else", () => {
  const { registry, create } = registryOf();
  const session = create("a");
  const { resumeToken } = session;
  const line = connect(session);
  const wrong = ["", resumeToken.slice(1), `${resumeToken}x`, resumeToken.replace(/.$/, "!"), "x"];
  for (const token of wrong) assertEquals(registry.resume("a", token, "owner"), undefined, token);
  assertEquals(registry.resume("b", resumeToken, "owner"), undefined);
  assertEquals(registry.resume("a", resumeToken, "other"), undefined);
  assertEquals(line.closed, []);
  assertEquals(registry.resume("a", resumeToken, "owner"), session);
  assertEquals(line.closed, [4008, "the client has attached anew"]);
  const fixed = create("c", { isResumable: false });
  assertEquals(registry.resume("c", fixed.resumeToken, "owner"), undefined);
});

Deno.test("a session whose connection was cut waits for its client so long, and no longer", async () => {
  using clock = new FakeClock();
  const { registry, create, take } = registryOf();
  const [back, gone, fixed] = [create("back"), create("gone"), create("fixed", { isResumable: false })];
  take();
  for (const session of [back, gone, fixed]) registry.handleDisconnect(session);
  assertEquals(take(), ["end fixed the client has gone away"]);
  await clock.pass(999);
  assertEquals(registry.resume("back", back.resumeToken, "owner"), back);
  assertEquals(take(), []);
  await clock.pass(1);
  assertEquals(take(), ["end gone the client did not come back"]);
  await clock.pass(1e6);
  assertEquals([take(), clock.pending, registry.size], [[], 0, 1]);
  const none = registryOf({ resumeWindowMs: 0 });
  none.registry.handleDisconnect(none.create("a"));
  assertEquals(none.take(), ["start a", "end a the client has gone away"]);
});

Deno.test("a session that was ended does not wait, and ends once", async () => {
  using clock = new FakeClock();
  const { registry, create, take } = registryOf();
  const session = create("a");
  registry.handleDisconnect(session);
  registry.end(session, "enough");
  registry.end(session, "again");
  assertEquals([take(), clock.pending, registry.size], [["start a", "end a enough"], 0, 0]);
  await clock.pass(5000);
  assertEquals(take(), []);
});

Deno.test("of more than 4096 sessions that are away the one longest away is given up", async () => {
  using clock = new FakeClock();
  const { registry, create, take } = registryOf();
  for (let n = 0; n < 4097; n++) registry.handleDisconnect(create(`s${n}`));
  const ended = () => take().filter((what) => what.startsWith("end"));
  assertEquals(ended(), ["end s0 too many sessions wait for their clients"]);
  assertEquals(clock.pending, 4096);
  await clock.settle();
});

Deno.test("a session that cannot be resumed is closed when it is idle, and none that runs, listens or can come back", async () => {
  using clock = new FakeClock();
  const { registry, create, take } = registryOf({ idleMs: 60_000 });
  const fixed = { isResumable: false };
  const idle = create("idle", fixed);
  const line = connect(idle);
  const running = create("running", fixed);
  let listening = true;
  create("listens", { ...fixed, listens: () => listening });
  create("deaf", { ...fixed, listens: () => false });
  create("resumable");
  const held = Promise.withResolvers<{ result: JsonObject }>();
  const request = { id: 1, method: "m", params: {}, notify: () => {}, ask: () => Promise.reject() };
  const work = running.calls.run(request, running, () => held.promise);
  take();
  await clock.pass(59_999);
  assertEquals(take(), []);
  await clock.pass(1);
  assertEquals(take(), [
    "end idle the session was idle for too long",
    "end deaf the session was idle for too long",
  ]);
  assertEquals(line.closed, [1001, "idle for too long"]);
  held.resolve({ result: {} });
  await work;
  listening = false;
  await clock.pass(1);
  running.touch();
  await clock.pass(59_999);
  assertEquals(take(), ["end listens the session was idle for too long"]);
  registry.touchAll();
  await clock.pass(59_999);
  assertEquals(take(), []);
  await clock.pass(30_000);
  assertEquals(take(), ["end running the session was idle for too long"]);
  assertEquals(registry.size, 1);
  registry[Symbol.dispose]();
  assertEquals([take(), clock.pending], [["end resumable the daemon is stopping"], 0]);
  const never = registryOf({ idleMs: 0 });
  never.create("a", fixed);
  await clock.pass(1e9);
  assertEquals([never.take(), clock.pending], [["start a"], 0]);
});

Deno.test("what a session holds is bounded by what it may be sent", () => {
  const budget = new ByteBudget({ maxBytes: 10 });
  const limits = (maxFrameBytes: number) => registryOf({ maxFrameBytes, budget }).registry.replayLimits;
  const MIB = 1024 * 1024;
  assertEquals(limits(1000), { maxMessages: 256, maxChars: 16 * MIB, budget });
  assertEquals(limits(10 * MIB).maxChars, 20 * MIB);
  const { create } = registryOf({ budget, maxFrameBytes: 77, maxRunning: 1 });
  const session = create("a");
  assertEquals([session.budget, session.maxFrameBytes], [budget, 77]);
});

/** A journal of calls that knows the token `known`. */
function journalOf() {
  const told: string[] = [];
  const ofSession = (name: string) =>
    ({
      close: () => told.push(`close ${name}`),
      release: () => told.push(`release ${name}`),
      begin: (id: string) => (told.push(`begin ${id} ${name}`), { id }),
      forget: () => {},
      finish: () => {},
      dropAnswer: () => {},
    }) as unknown as SessionJournal;
  const journal: CallJournal = {
    open: (token) => (told.push("open"), ofSession(token)),
    recover: (token) =>
      token === "known"
        ? {
          journal: ofSession(token),
          calls: [{ entry: { id: 1 }, answer: "one" }, { entry: { id: 2 }, answer: undefined }],
        }
        : undefined,
  };
  return { journal, told };
}

Deno.test("a session an earlier daemon knew is begun anew under its token, with its calls", () => {
  const { journal, told } = journalOf();
  const { registry, create, take } = registryOf({ journal });
  create("a");
  assertEquals(registry.recover({ ...WANTED, wantedId: "a", resumeToken: "unknown" }), undefined);
  take();
  const session = registry.recover({ ...WANTED, wantedId: "a", resumeToken: "known" })!;
  assertEquals([session.id, session.resumeToken, session.isRecovered, take()], ["a:2", "known", true, [
    "start a:2",
  ]]);
  assertEquals([session.output.hasResponse(1), session.output.isOutcomeUnknown(2)], [true, true]);
  session.output.markBegun(3);
  assertEquals(told, ["open", "begin 3 known"]);
  registry.end(session, "over");
  assertEquals(told.at(-1), "release known");
  assertEquals(registryOf().registry.recover({ ...WANTED, resumeToken: "known" }), undefined);
});

Deno.test("the journal keeps the calls of sessions that can be resumed, until their client says goodbye", () => {
  const { journal, told } = journalOf();
  const { registry, create } = registryOf({ journal });
  registry.end(create("fixed", { isResumable: false }), "over");
  assertEquals(told, []);
  const [one, two] = [create("one"), create("two")];
  assertEquals([one.isRecovered, one.resumeToken === two.resumeToken], [false, false]);
  registry.end(one, "over", { goodbye: true });
  registry.end(two, "over");
  one.end("once more");
  assertEquals(told.slice(2), [`close ${one.resumeToken}`, `release ${two.resumeToken}`]);
});
