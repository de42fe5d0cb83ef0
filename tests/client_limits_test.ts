import { assertEquals } from "@std/assert";
import { ExaiError } from "../lib/base/errors.ts";
import type { JsonObject } from "../lib/base/json.ts";
import { isWorkMethod } from "../lib/upstream/method_kind.ts";
import { checkAnswerable, withoutUnsupportedTask } from "../lib/call/client_capabilities.ts";

Deno.test("a question is refused in the name of a client that did not offer what it needs", () => {
  const refused = (method: string, params: JsonObject, capabilities: JsonObject) => {
    try {
      checkAnswerable(method, params, capabilities);
      return undefined;
    } catch (thrown) {
      return `${(thrown as ExaiError).code} ${(thrown as ExaiError).message}`;
    }
  };
  const form = { mode: "form" };
  const url = { mode: "url" };
  const [elicit, sample] = ["elicitation/create", "sampling/createMessage"];
  assertEquals(refused(elicit, form, {}), "METHOD_NOT_FOUND this client does not offer elicitation");
  assertEquals(
    refused(sample, {}, { sampling: true }),
    "METHOD_NOT_FOUND this client does not offer sampling",
  );
  assertEquals(refused("roots/list", {}, {}), "METHOD_NOT_FOUND this client does not offer roots");
  assertEquals([refused("roots/list", {}, { roots: {} }), refused("toString", {}, {})], [
    undefined,
    undefined,
  ]);
  const forms = [{}, { form: {} }, { form: {}, url: {} }];
  for (const elicitation of forms) {
    for (const params of [form, {}]) assertEquals(refused(elicit, params, { elicitation }), undefined);
  }
  const noUrl = "INVALID_PARAMS this client does not offer elicitation by url";
  assertEquals(forms.map((elicitation) => refused(elicit, url, { elicitation })), [noUrl, noUrl, undefined]);
  assertEquals(refused(elicit, url, { elicitation: { url: {} } }), undefined);
  assertEquals(refused(elicit, form, { elicitation: { url: {} } })?.slice(0, 14), "INVALID_PARAMS");
  assertEquals(refused(elicit, form, { elicitation: { url: true } }), undefined);
  for (const params of [{ tools: [] }, { toolChoice: {} }]) {
    assertEquals(
      refused(sample, params, { sampling: {} }),
      "INVALID_PARAMS this client does not offer sampling with tools",
    );
    assertEquals(refused(sample, params, { sampling: { tools: {} } }), undefined);
    assertEquals(refused(elicit, params, { elicitation: {} }), undefined);
  }
  assertEquals(refused(sample, {}, { sampling: {} }), undefined);
});

Deno.test("a client that runs no tasks is not asked to run one", () => {
  const params = { task: { ttl: 1 }, a: 1 };
  const runs = { tasks: { requests: { sampling: { createMessage: {} } } } };
  assertEquals(withoutUnsupportedTask("sampling/createMessage", params, runs), params);
  for (const tasks of [undefined, {}, { requests: {} }, { requests: { sampling: {} } }, true]) {
    assertEquals(withoutUnsupportedTask("sampling/createMessage", params, { tasks } as JsonObject), { a: 1 });
  }
  assertEquals(withoutUnsupportedTask("elicitation/create", params, runs), { a: 1 });
  assertEquals(withoutUnsupportedTask("elicitation/create", { a: 1 }, {}), { a: 1 });
});

Deno.test("questions about a server itself and about a task wait for nothing", () => {
  for (
    const method of ["tools/list", "prompts/list", "resources/list", "resources/templates/list", "tasks/list"]
  ) {
    assertEquals(isWorkMethod(method), false, method);
  }
  for (const method of ["logging/setLevel", "tasks/get", "tasks/result"]) {
    assertEquals(isWorkMethod(method), false, method);
  }
  for (const method of ["tools/call", "prompts/get", "resources/read"]) {
    assertEquals(isWorkMethod(method), true, method);
  }
});
