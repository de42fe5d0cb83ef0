import { assert, assertEquals } from "@std/assert";
import { CircuitBreaker } from "../lib/base/circuit_breaker.ts";
import { clock } from "./helpers/own_clock.ts";

Deno.test("a circuit opens after failures in a row, lets one call try, and closes when that goes well", () => {
  const { now, pass } = clock();
  const circuit = new CircuitBreaker({ failures: 3, openMs: 100, now });
  const fail = () => circuit.leave(circuit.enter(), "failure");
  fail();
  fail();
  circuit.leave(circuit.enter(), "success");
  fail();
  fail();
  assertEquals(circuit.state, "closed");
  fail();
  assertEquals([circuit.state, circuit.enter(), circuit.refusesForMs], ["open", 0, 100]);
  pass(100);
  const probe = circuit.enter();
  assert(probe !== 0);
  assertEquals([circuit.state, circuit.enter()], ["half_open", 0]);
  circuit.leave(probe, "success");
  assertEquals([circuit.state, circuit.failures], ["closed", 0]);
});

Deno.test("a try that fails opens the circuit again; one that finds out nothing leaves the try to the next call", () => {
  const { now, pass } = clock();
  const circuit = new CircuitBreaker({ failures: 1, openMs: 100, now });
  circuit.leave(circuit.enter(), "failure");
  pass(100);
  circuit.leave(circuit.enter(), "failure");
  assertEquals([circuit.state, circuit.refusesForMs], ["open", 100]);
  pass(100);
  circuit.leave(circuit.enter(), "ignored");
  const next = circuit.enter();
  assert(next !== 0);
  circuit.leave(next, "success");
  assertEquals(circuit.state, "closed");
});

Deno.test("a call that began before the circuit opened neither closes it nor opens it anew", () => {
  const { now, pass } = clock();
  const circuit = new CircuitBreaker({ failures: 1, openMs: 100, now });
  const [late, later, first] = [circuit.enter(), circuit.enter(), circuit.enter()];
  circuit.leave(first, "failure");
  pass(60);
  circuit.leave(late, "failure");
  assertEquals(circuit.refusesForMs, 40);
  circuit.leave(later, "success");
  assertEquals(circuit.state, "open");
});
