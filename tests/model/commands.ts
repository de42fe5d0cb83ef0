import { delay } from "@std/async/delay";
import fc from "fast-check";
import { turn } from "./channel.ts";
import { LINE_LEVELS, type Mode, type ModelServer, MODES, placeOf, WORKSPACES } from "./server.ts";
import { taskBegunBy } from "./sent.ts";
import type { ModelWindow, TaskVerb } from "./window.ts";
import type { World } from "./world.ts";

/** What the model knows of each window; the rest is checked when all has come to its end. */
export interface Model {
  windows: State[];
}

type State = ModelWindow["state"];

type Command = fc.AsyncCommand<Model, World>;

const MAX_WINDOWS = 5;

/** Two windows of one project are there from the beginning: little happens to one alone. */
export function begin(world: World): Model {
  for (const isSlow of [false, true]) {
    world.open({ workspace: WORKSPACES[0]!, canBeAsked: true, isSlow, receipts: !isSlow });
  }
  return { windows: world.windows.map(({ state }) => state) };
}

/** A command that shows as `text` in a report and may run when `check` says so. */
function command(text: string, check: (model: Model) => boolean, run: Command["run"]): Command {
  const inItsTurn: Command["run"] = async (model, world) => {
    await turn();
    await run(model, world);
  };
  return { check, run: inItsTurn, toString: () => text };
}

type Act = (window: ModelWindow, world: World) => void;

/** A command of one window in one of `states`; `nth` says which of those there are. */
function byWindow(
  text: string,
  { nth, states = ["open"] }: { nth: number; states?: readonly State[] },
  act: Act,
) {
  const candidates = ({ windows }: Model) =>
    [...windows.keys()].filter((at) => states.includes(windows[at]!));
  let who = "a window";
  return {
    check: (model: Model) => candidates(model).length > 0,
    async run(model: Model, world: World) {
      const among = candidates(model);
      const window = world.windows[among[nth % among.length]!]!;
      who = window.name;
      await turn();
      act(window, world);
      model.windows = world.windows.map(({ state }) => state);
    },
    toString: () => `${who} ${text}`,
  };
}

const server = fc.constantFrom(0, 1, 2, 3);
const nth = fc.nat({ max: MAX_WINDOWS - 1 });

const open = fc.record({
  workspace: fc.constantFrom(...WORKSPACES),
  canBeAsked: fc.constantFrom(true, true, true, false),
  isSlow: fc.boolean(),
  receipts: fc.constantFrom(true, true, false),
}).map((options) => {
  const text = `open ${JSON.stringify({ ...options, workspace: placeOf(options.workspace) })}`;
  return command(text, ({ windows }) => windows.length < MAX_WINDOWS, (model, world) => {
    world.open(options);
    model.windows.push("open");
    return Promise.resolve();
  });
});

const passing = fc.nat({ max: 4 });

const cut = fc.record({ nth, up: passing, down: passing }).map(({ nth, ...passing }) =>
  byWindow(
    `is cut off after ${passing.up} and ${passing.down} messages`,
    { nth },
    (window) => window.cut(passing),
  )
);

const stall = nth.map((nth) => byWindow("is not reached for now", { nth }, (window) => window.stall()));
const flow = nth.map((nth) => byWindow("is reached again", { nth }, (window) => window.flow()));

const comeBack = nth.map((nth) =>
  byWindow("comes back", { nth, states: ["cut"] }, (window) => window.connect())
);

const close = nth.map((nth) =>
  byWindow("closes", { nth, states: ["open", "cut"] }, (window) => {
    // What comes in the same breath as the goodbye is not tried.
    if (!window.isStalled) window.close();
  })
);

const MODE = fc.constantFrom<Mode>(...MODES);

const call = fc.record({ nth, server, mode: MODE }).map(({ nth, server, mode }) => {
  // Only the impatient server leaves calls without an answer, or every run would wait for the time-out of all.
  const at = mode === "silent" ? 3 : server;
  return byWindow(`calls s${at}: ${mode}`, { nth }, (window, world) => {
    window.call(world.servers[at]!, mode);
  });
});

const cancel = fc.record({ nth, which: fc.nat() }).map(({ nth, which }) =>
  byWindow("cancels a call", { nth }, (window) => {
    const calls = window.pending.filter(({ method }) => method === "tools/call");
    if (calls.length > 0) window.cancel(calls[which % calls.length]!);
  })
);

const answer = nth.map((nth) =>
  byWindow("answers what it was asked", { nth }, (window) => window.answerQuestions())
);

const aboutTask = fc.record({
  ...{ nth, which: fc.nat(), isOwn: fc.boolean() },
  verb: fc.constantFrom<TaskVerb>("get", "result", "cancel"),
}).map(({ nth, which, isOwn, verb }) =>
  byWindow(`asks for tasks/${verb} of ${isOwn ? "its own" : "another's"}`, { nth }, (window, world) => {
    const owners = world.windows.filter((owner) => (owner === window) === isOwn);
    const begun = owners.flatMap(({ begun }) => begun);
    if (begun.length > 0) window.aboutTask(verb, taskBegunBy(begun[which % begun.length]!)!);
  })
);

const listTasks = nth.map((nth) =>
  byWindow("lists tasks", { nth }, (window) => void window.request("tasks/list", {}))
);

const subscribe = fc.record({ nth, server }).map(({ nth, server }) =>
  byWindow(`subscribes to s${server}`, { nth }, (window, world) => window.subscribe(world.servers[server]!))
);

const unsubscribe = fc.record({ nth, which: fc.nat() }).map(({ nth, which }) =>
  byWindow("gives a subscription up", { nth }, (window, world) => {
    const servers = world.servers.filter(({ uri }) => window.subscribed.has(uri));
    if (servers.length > 0) world.unsubscribe(window, servers[which % servers.length]!);
  })
);

const setLevel = fc.record({ nth, level: fc.constantFrom(...LINE_LEVELS) }).map(({ nth, level }) =>
  byWindow(`wants log lines from ${level} on`, { nth }, (window) => window.setLevel(level))
);

const listTools = nth.map((nth) =>
  byWindow("lists tools", { nth }, (window) => void window.request("tools/list", {}))
);

const move = fc.record({ nth, workspace: fc.constantFrom(...WORKSPACES) }).map(({ nth, workspace }) =>
  byWindow(`moves to ${placeOf(workspace)}`, { nth }, (window, world) => {
    // Where a call runs that was sent before is open.
    if (window.pending.length === 0 && !window.isStalled) window.moveTo(workspace, world.servers);
  })
);

function ofServer(text: string, act: (server: ModelServer, world: World) => void | Promise<void>) {
  return server.map((at) =>
    command(`s${at} ${text}`, () => true, async (_, world) => await act(world.servers[at]!, world))
  );
}

type ActThere = (world: World, there: { server: ModelServer; place: string }) => void | Promise<void>;

/** What a server does where windows of one directory meet it, be it its only place. */
function inPlace(text: string, act: ActThere) {
  return fc.record({ at: server, directory: fc.constantFrom(...WORKSPACES) }).map(({ at, directory }) =>
    command(`s${at} ${text} in ${placeOf(directory)}`, () => true, async (_, world) => {
      const server = world.servers[at]!;
      await act(world, { server, place: server.placeIn(directory) });
    })
  );
}

const update = ofServer("updates its resource", (server, world) => world.update(server));
const addTool = inPlace("offers one tool more", (world, there) => world.addTool(there));
const release = ofServer("answers what it holds, late or not", (server) => server.release());
const kill = inPlace("is killed", (world, there) => world.kill(there));

const pause = fc.constantFrom(0, 2, 20).map((ms) => command(`${ms} ms pass`, () => true, () => delay(ms)));

/** Everything that can happen, with the most frequent named more than once. */
export const COMMANDS = [
  ...[open, open, stall, stall, flow, cut, cut, comeBack, close, cancel, answer, setLevel, listTools, move],
  ...[subscribe, subscribe, unsubscribe, update, update, addTool, release, kill],
  ...[call, call, call, call, call, pause, pause, aboutTask, aboutTask, aboutTask, listTasks],
];
