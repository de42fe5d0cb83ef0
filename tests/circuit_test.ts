import { assert, assertEquals } from "@std/assert";
import { Circuit } from "../lib/base/circuit.ts";
import { clock } from "./helpers/own_clock.ts";

Deno.test("a circuit opens after failures in a row, lets one call try, and closes when that goes well", () => {
  const { now, pass } = clock();
  const circuit = new Circuit({ failures: 3, openMs: 100, now });
  const fail = () => circuit.leave(circuit.enter(), "unwell");
  fail();
  fail();
  circuit.leave(circuit.enter(), "well");
  fail();
  fail();
  assertEquals(circuit.state, "closed");
  fail();
  assertEquals([circuit.state, circuit.enter(), circuit.refusesForMs], ["open", 0, 100]);
  pass(100);
  const probe = circuit.enter();
  assert(probe !== 0);
  assertEquals([circuit.state, circuit.enter()], ["half_open", 0]);
  circuit.leave(probe, "well");
  assertEquals([circuit.state, circuit.failures], ["closed", 0]);
});

Deno.test("a try that fails opens the circuit again; one that finds out nothing leaves the try to the next call", () => {
  const { now, pass } = clock();
  const circuit = new Circuit({ failures: 1, openMs: 100, now });
  circuit.leave(circuit.enter(), "unwell");
  pass(100);
  circuit.leave(circuit.enter(), "unwell");
  assertEquals([circuit.state, circuit.refusesForMs], ["open", 100]);
  pass(100);
  circuit.leave(circuit.enter(), "nothing");
  const next = circuit.enter();
  assert(next !== 0);
  circuit.leave(next, "well");
  assertEquals(circuit.state, "closed");
});

Deno.test("a call that began before the circuit opened neither closes it nor opens it anew", () => {
  const { now, pass } = clock();
  const circuit = new Circuit({ failures: 1, openMs: 100, now });
  const [late, later, first] = [circuit.enter(), circuit.enter(), circuit.enter()];
  circuit.leave(first, "unwell");
  pass(60);
  circuit.leave(late, "unwell");
  assertEquals(circuit.refusesForMs, 40);
  circuit.leave(later, "well");
  assertEquals(circuit.state, "open");
});
