/**
 * Preloaded into a run of the tests that measures what each reaches: one line for each test that passes, with its
 * name, how long it took and the mutants it has come by in this process. What other processes reach stands in lines
 * of their own, before the line of the test that was running.
 */
import "../../tests/helpers/time_limit.ts";
import { definitionOf } from "../lib/test_definition.ts";
import { note, TAKE_REACHED, takeReached } from "./runtime.ts";

Object.defineProperty(globalThis, TAKE_REACHED, { value: true });

let isFirst = true;

function measured(register: (definition: Deno.TestDefinition) => void): (...args: unknown[]) => void {
  return (...args) => {
    const definition = definitionOf(args);
    register({
      ...definition,
      async fn(context) {
        // What the file's modules have come by as they were loaded belongs to none of its tests, nor does what the
        // test before has left running.
        const before = takeReached();
        if (isFirst) note({ loaded: before });
        isFirst = false;
        const startMs = performance.now();
        await definition.fn(context);
        note({ test: definition.name, ms: Math.round(performance.now() - startMs), reached: takeReached() });
      },
    });
  };
}

const { test } = Deno;
Object.assign(Deno, { test: Object.assign(measured(test), test) });
