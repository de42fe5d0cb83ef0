import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { concat } from "@std/bytes/concat";
import { imageDimensionsFromData } from "image-dimensions";
import { exifOf, withExif } from "../lib/tool/material/jpeg_exif.ts";
import { scaleImage } from "../lib/tool/material/image_scaler.ts";
import { TestTools } from "./helpers/exai_tools.ts";
import { FakeModels } from "./helpers/fake_models.ts";
import { tempDir } from "./helpers/files.ts";
import { bmp, png } from "./helpers/images.ts";

/** What a model is sent for `images` of a directory with `files`. */
async function sent(files: Record<string, Uint8Array>, images: string[]) {
  await using dir = await tempDir(files);
  const models = new FakeModels();
  using tools = new TestTools({ cwd: dir.path, models });
  const { answer, isError } = await tools.call("chat", { prompt: "q", images });
  if (isError) return { refusal: String(answer.content), notes: "", images: [] };
  const parts = models.asked[0]!.request.messages.at(-1)!.content as readonly {
    type: string;
    url?: string;
  }[];
  return {
    refusal: undefined,
    notes: JSON.stringify(answer.metadata.not_shown ?? []),
    images: parts.filter(({ type }) => type === "image").map(({ url }) => {
      const [head, base64] = url!.split(";base64,");
      const bytes = Uint8Array.fromBase64(base64!);
      return { type: head!.slice("data:".length), bytes, size: imageDimensionsFromData(bytes) };
    }),
  };
}

Deno.test("a screenshot of 2.4 MB is sent as it is", async () => {
  const shot = png({ width: 1000, height: 800, noise: true });
  assertEquals(shot.length > 2_390_000, true);
  const { images } = await sent({ "shot.png": shot }, ["shot.png"]);
  assertEquals(images[0]!.bytes, shot);
});

Deno.test("an image that no provider takes as it is is scaled down until it fits", async () => {
  const large = png({ width: 1400, height: 1000, noise: true });
  assert(large.length > 4_000_000);
  const wide = png({ width: 6001, height: 30 });
  const { images, notes } = await sent({ "large.png": large, "wide.png": wide }, ["large.png", "wide.png"]);
  assertStringIncludes(notes, "6001 x 30 to 2048 x 10 pixels");
  const [first, second] = images;
  assert(first!.bytes.length <= 3_750_000, `${first!.bytes.length} bytes`);
  assertEquals([first!.size!.width, first!.size!.height, first!.type], [1400, 1000, "image/jpeg"]);
  assertEquals([second!.size!.width, second!.type], [2048, "image/png"]);
});

Deno.test("five images together are no larger than what every provider takes of a request", async () => {
  const files = {
    "large.png": png({ width: 1100, height: 1000, noise: true }),
    "a.png": png({ width: 1, height: 1 }),
  };
  assert(files["large.png"].length < 3_750_000);
  const { images } = await sent(files, ["large.png", "a.png", "a.png", "a.png", "a.png"]);
  assert(images[0]!.bytes.length <= 3_000_000, `${images[0]!.bytes.length} bytes`);
});

Deno.test("an image is called what its content is, whatever its name or its data URL says", async () => {
  const small = png({ width: 2, height: 2 });
  const jpeg = Uint8Array.of(0xff, 0xd8, 0xff, 0xe0, 0, 4, 0, 0);
  const { images } = await sent({ "photo.jpg": small }, [
    "photo.jpg",
    `data:image/jpg;base64,${jpeg.toBase64()}`,
    `data:image/png;charset=utf-8;base64,${jpeg.toBase64({ omitPadding: true })}`,
    `data:image/x-png;base64,${small.toBase64({ alphabet: "base64url" })}`,
  ]);
  assertEquals(images.map(({ type }) => type), ["image/png", "image/jpeg", "image/jpeg", "image/png"]);
});

Deno.test("a BMP is converted; what no model takes is refused with what to convert it to", async () => {
  const { images, notes } = await sent({ "a.bmp": bmp(20, 10) }, ["a.bmp"]);
  assertEquals([images[0]!.type, images[0]!.size!.width], ["image/png", 20]);
  assertMatch(notes, /"a\.bmp","reason":"shown as image\/png: from 654 B to \d+ B"/);
  const heic = concat([Uint8Array.of(0, 0, 0, 24), new TextEncoder().encode("ftypheic")]);
  const { refusal } = await sent({ "a.heic": heic }, ["a.heic"]);
  assertStringIncludes(refusal!, "image/heic, which models do not take; convert it to PNG or JPEG");
});

Deno.test("an image that is too large, has too many pixels or is damaged is refused by its name", async () => {
  const bomb = png({ width: 1, height: 1 });
  new DataView(bomb.buffer).setUint32(16, 100_000);
  new DataView(bomb.buffer).setUint32(20, 100_000);
  const damaged = png({ width: 6001, height: 1 }).subarray(0, 60);
  const files = {
    "bomb.png": bomb,
    "huge.png": new Uint8Array(20 * 1024 * 1024 + 1),
    "damaged.png": damaged,
  };
  const expected: Record<string, string> = {
    "bomb.png": "100000 x 100000 pixels",
    "huge.png": "one may have 20",
    "damaged.png": "cannot be decoded",
    "http://example.com/x.png": "an https: URL or a file",
    "data:image/png;base64,%%%": "no base64",
  };
  for (const [name, words] of Object.entries(expected)) {
    const { refusal } = await sent(files, [name]);
    assertStringIncludes(refusal!, words, name);
  }
});

Deno.test("several models are shown one scaled image that is scaled once", async () => {
  const bytes = png({ width: 6001, height: 2 });
  const scaled = await Promise.all(
    [1, 2, 3].map(() => scaleImage({ bytes, maxSide: 100, maxBytes: 100_000 })),
  );
  assertEquals(new Set(scaled.map((one) => one.bytes)).size, 1);
});

Deno.test("a photograph that is scaled down keeps which side is up", () => {
  const exif = concat([
    Uint8Array.of(0xff, 0xe1, 0, 10),
    new TextEncoder().encode("Exif\0\0"),
    Uint8Array.of(1, 2),
  ]);
  const start = Uint8Array.of(0xff, 0xd8);
  const other = Uint8Array.of(0xff, 0xe0, 0, 3, 7);
  const photograph = concat([start, other, exif, Uint8Array.of(0xff, 0xda, 0, 2)]);
  assertEquals(exifOf(photograph), exif);
  assertEquals(withExif(concat([start, other]), exif), concat([start, exif, other]));
  assertEquals([exifOf(start), exifOf(photograph.subarray(0, 12)), exifOf(png({ width: 1, height: 1 }))], [
    undefined,
    undefined,
    undefined,
  ]);
});

Deno.test("an image that is gone by the last step does not stop it", async () => {
  await using dir = await tempDir({ "a.png": png({ width: 2, height: 2 }), "b.txt": "text" });
  const models = new FakeModels(() => "{}");
  using tools = new TestTools({ cwd: dir.path, models });
  const last = { step: "s", step_number: 1, total_steps: 1, next_step_required: false, findings: "f" };
  const images = ["a.png", "gone.png", "b.txt"];
  const { answer, isError } = await tools.call("debug", { ...last, images });
  assertEquals(isError, false);
  const notShown = (answer.metadata.not_shown as { name: string; reason: string }[]).map(({ name }) => name);
  assertEquals(notShown, ["gone.png", "b.txt"]);
  const parts = models.asked[0]!.request.messages.at(-1)!.content as readonly { type: string }[];
  assertEquals(parts.map(({ type }) => type), ["image", "text"]);
});
