import { assert, assertEquals, assertRejects } from "@std/assert";
import { ExaiError } from "../lib/base/errors.ts";
import { fail, type Recorded } from "./fixtures/openai_server.ts";
import { rig, type RigOptions } from "./helpers/provider_rig.ts";

const { signal } = new AbortController();
const bytes = new TextEncoder().encode("%PDF-1.7 …");
const pdf = { name: "report.pdf", bytes, purpose: "file-extract" as const };

/** A Kimi that reads "text of NAME" in every file. */
function kimi(options: RigOptions = {}) {
  const one = rig({ kind: "kimi", ...options });
  const names = new Map<string, string>();
  one.server.other = ({ method, path, form }: Recorded) => {
    const [, , id = ""] = path.split("/");
    if (method === "POST" && path === "/files") {
      const file = form!.get("file") as File;
      const next = `file-${names.size + 1}`;
      names.set(next, file.name);
      return Response.json({
        id: next,
        object: "file",
        bytes: file.size,
        filename: file.name,
        status: "ready",
      });
    }
    if (method === "DELETE") return Response.json({ id, object: "file", deleted: names.delete(id) });
    return Response.json({ content: `text of ${names.get(id)}`, file_type: "application/pdf" });
  };
  return { one, kept: names, files: one.models.files("kimi") };
}

const pathsOf = (requests: readonly Recorded[]) => requests.map(({ method, path }) => `${method} ${path}`);

Deno.test("a file goes to Kimi as documented, its text comes back, and nothing stays there", async () => {
  const { one, kept, files } = kimi();
  await using _rig = one;
  const result = await files.upload(pdf, { signal });
  assert(result.text?.includes("text of report.pdf"), result.text);
  assertEquals([result.id, result.cached, result.sizeBytes], [undefined, false, bytes.byteLength]);
  assertEquals(pathsOf(one.server.requests), [
    "POST /files",
    "GET /files/file-1/content",
    "DELETE /files/file-1",
  ]);
  const form = one.server.requests[0]!.form!;
  assertEquals([...form.keys()].sort(), ["file", "purpose"]);
  assertEquals(form.get("purpose"), "file-extract");
  assertEquals(new Uint8Array(await (form.get("file") as File).arrayBuffer()), bytes);
  assertEquals(kept.size, 0);
});

Deno.test("the same content is not sent twice, whatever the file is called", async () => {
  const texts = new Map<string, string>();
  const fileTexts = {
    get: (key: string) => texts.get(key),
    set: (key: string, text: string) => void texts.set(key, text),
  };
  const { one, files } = kimi({ fileTexts });
  await using _rig = one;
  const [first, second] = await Promise.all([files.upload(pdf, { signal }), files.upload(pdf, { signal })]);
  assertEquals(first.text, second.text);
  const third = await files.upload({ ...pdf, name: "copy.PDF" }, { signal });
  assertEquals([third.cached, third.text], [true, first.text]);
  assertEquals(pathsOf(one.server.requests).filter((path) => path === "POST /files").length, 1);
  const changed = await files.upload({ ...pdf, bytes: bytes.slice(1) }, { signal });
  assertEquals(changed.cached, false);
});

Deno.test("a file to keep is kept under its id", async () => {
  const { one, kept, files } = kimi();
  await using _rig = one;
  const result = await files.upload({ ...pdf, purpose: "assistants" }, { signal });
  assertEquals([result.id, result.text, kept.size], ["file-1", undefined, 1]);
});

Deno.test("a file is deleted at Kimi also when its text cannot be had", async () => {
  const { one, kept, files } = kimi();
  await using _rig = one;
  const { other } = one.server;
  one.server.other = (request) =>
    request.method === "GET" ? fail(500, { error: { message: "cannot read" } })(request) : other(request);
  const error = await assertRejects(() => files.upload(pdf, { signal }), ExaiError);
  assert(error.message.includes("cannot read"), error.message);
  assertEquals(kept.size, 0);
});

Deno.test("a file Kimi would not take is refused before it is sent", async () => {
  const { one, files } = kimi();
  await using _rig = one;
  const big = { ...pdf, bytes: new Uint8Array(100 * 1024 * 1024 + 1) };
  const error = await assertRejects(() => files.upload(big, { signal }), ExaiError);
  assertEquals([error.code, one.server.requests.length], ["TOO_LARGE", 0]);
});

Deno.test("providers that store no files say so", async () => {
  await using one = rig({ kind: "glm" });
  const refusal = (name: string) => assertRejects(async () => await one.models.files(name), ExaiError);
  assert((await refusal("glm")).message.includes("glm stores no files"));
  assert((await refusal("kimi")).message.includes("KIMI_API_KEY"));
});
