/**
 * Gives every test a time limit: `deno test --preload=tests/helpers/time_limit.ts`, as the tasks do. A test that
 * hangs fails under its own name, the programs it has started are ended, and the next test runs. A test that needs
 * longer says so itself (`timeout`). `TEST_TIMEOUT_MS` sets another limit, for a slower machine. A test that leaves a
 * daemon of a shim or a command behind fails too. One that fails, and whose disposal fails as well, is reported with
 * both errors. The shell's profile of whoever runs the tests is kept out of them.
 */
import { Script } from "node:vm";
import { endTree } from "../../tools/lib/end_tree.ts";
import { definitionOf } from "../../tools/lib/test_definition.ts";
import { endLeftDaemons, forgetPlaces, rememberPlaces } from "./left_daemons.ts";

const DEFAULT_TIMEOUT_MS = 60_000;

// A daemon with servers asks the login shell for its environment. With a version manager in the profile that takes a
// second of the processor for each daemon, which is more than most tests.
if (Deno.build.os !== "windows") Deno.env.set("SHELL", "/bin/sh");

const timeoutMs = Number(Deno.env.get("TEST_TIMEOUT_MS") ?? DEFAULT_TIMEOUT_MS);

type Body = Deno.TestDefinition["fn"];

/** Programs the test that runs now has started. */
const started = new Set<Deno.ChildProcess>();
/** The test that has begun and not come to its end. */
let current: symbol | undefined;

/** Deno.Command that remembers what it starts. */
class RememberedCommand extends Deno.Command {
  readonly #command: string | URL;
  readonly #options: Deno.CommandOptions;

  constructor(command: string | URL, options: Deno.CommandOptions = {}) {
    super(command, options);
    this.#command = command;
    this.#options = options;
  }

  override spawn(): Deno.ChildProcess {
    const child = super.spawn();
    started.add(child);
    child.status.then(() => started.delete(child), () => {});
    return child;
  }

  override output(): Promise<Deno.CommandOutput> {
    // What `output` starts is nowhere to be had; these are its own defaults.
    const { stdin = "null", stdout = "piped", stderr = "piped" } = this.#options;
    const options: Deno.CommandOptions = { ...this.#options, stdin, stdout, stderr };
    return new RememberedCommand(this.#command, options).spawn().output();
  }
}

function watched(body: Body): Body {
  return async (context) => {
    started.clear();
    forgetPlaces();
    const mine = current = Symbol(context.name);
    try {
      await body(context);
    } catch (thrown) {
      throw unsuppressed(thrown);
    } finally {
      // One that was cut off may come to its end while a later one runs.
      if (current === mine) current = undefined;
    }
    // Those of a test that fails, or is cut off, are ended below.
    const left = await endLeftDaemons();
    if (left.length > 0) throw new Error(`a daemon was left in ${left.join(", ")}`);
  };
}

/**
 * Makes an error of all that a `SuppressedError` holds, the first that was thrown first. Deno reports a
 * `SuppressedError` by its name and the last line of the block, and neither what failed there nor what failed at its
 * disposal.
 */
function unsuppressed(thrown: unknown): unknown {
  if (!(thrown instanceof SuppressedError)) return thrown;
  const errors: unknown[] = [];
  let inner: unknown = thrown;
  for (; inner instanceof SuppressedError; inner = inner.suppressed) errors.unshift(inner.error);
  return new AggregateError([inner, ...errors].map(asError), "the test failed, and so did what ends with it");
}

/** Deno shows nothing of a thrown value that is no error. */
function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}

function limited(args: readonly unknown[]): Deno.TestDefinition {
  const definition = definitionOf(args);
  return { timeout: timeoutMs, ...definition, fn: watched(definition.fn) };
}

type Register = (...args: unknown[]) => void;

/**
 * `register` with a time limit. Deno reports a test with the line of the file that called it and passes over files of
 * its own, `ext:`; under such a name this function does not hide where the test stands.
 */
const withLimit = new Script("(register, limited) => (...args) => register(limited(args))", {
  filename: "ext:time_limit/test.js",
}).runInThisContext() as (register: unknown, limited: unknown) => Register;

const { test } = Deno;
const ignore = Object.assign(withLimit(test.ignore, limited), { each: test.ignore.each });
const only = Object.assign(withLimit(test.only, limited), { each: test.only.each });
Object.assign(Deno, {
  Command: RememberedCommand,
  test: Object.assign(withLimit(test, limited), test, { ignore, only }),
});

rememberPlaces();
test.afterEach(async () => {
  await endLeftDaemons();
  if (!current) return;
  current = undefined;
  await Promise.all(Array.from(started, ({ pid }) => endTree(pid, { graceMs: 0 })));
});
