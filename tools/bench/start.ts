import type { SubjectResult } from "./result.ts";
import type { ColdStart, Fleet, Subject, Window } from "./subject.ts";

/** Times a start with everything running is repeated in each round; it takes less than the other. */
const WARM_STARTS = 3;

/** One subject, of which windows are started and closed again. */
export class Starter implements AsyncDisposable {
  readonly #fleet: Fleet;
  readonly #cold: ColdStart;
  readonly #result: SubjectResult;

  private constructor(result: SubjectResult, { fleet, cold }: { fleet: Fleet; cold: ColdStart }) {
    this.#result = result;
    this.#fleet = fleet;
    this.#cold = cold;
  }

  /** Starts what windows of `subject` share; times are added to `result`. */
  static async open(subject: Subject, result: SubjectResult): Promise<Starter> {
    const cold = await subject.prepareCold?.() ?? { start: () => openFromNothing(subject) };
    const fleet = await subject.open();
    return new Starter(result, { fleet, cold });
  }

  /** One round of starts. */
  async work(): Promise<void> {
    const start = this.#result.start ??= { warm: [], cold: [] };
    for (let i = 0; i < WARM_STARTS; i++) start.warm.push(await timeOf(this.#fleet.openWindow()));
    start.cold.push(await timeOf(this.#cold.start()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#fleet[Symbol.asyncDispose]();
  }
}

async function timeOf(opening: Promise<Window>) {
  await using opened = await opening;
  if (!opened.startMs) throw new Error("the window has no process of its own");
  return opened.startMs;
}

async function openFromNothing(subject: Subject): Promise<Window> {
  await using stack = new AsyncDisposableStack();
  const startedMs = performance.now();
  const fleet = stack.use(await subject.open());
  const beforeMs = performance.now() - startedMs;
  const window = stack.use(await fleet.openWindow());
  const { startMs } = window;
  const parts = stack.move();
  return {
    ...window,
    startMs: startMs && {
      ...startMs,
      initialize: beforeMs + startMs.initialize,
      firstList: beforeMs + startMs.firstList,
    },
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}
