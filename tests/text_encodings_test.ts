import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { decodeText } from "../lib/tool/material/text_content.ts";
import { toolsIn } from "./helpers/material.ts";

/** Texts as programs of their countries save them: encoding, bytes in hex, text. */
const TEXTS: readonly [encoding: string, hex: string, text: string][] = [
  ["GBK", "2f2f20d6d0cec4d7a2cacd0a", "// 中文注释\n"],
  ["GBK", "7072696e742827c4e3bac327290a", "print('你好')\n"],
  ["GBK", "b4edcef3a3bacec4bcfeb2bbb4e6d4daa3a1", "错误：文件不存在！"],
  ["GBK", "2f2f20bcecb2e9cac7b7f1d4bdbde70a", "// 检查是否越界\n"],
  ["Shift-JIS", "2f2f208365835883670a696e7420783b0a", "// テスト\nint x;\n"],
  ["Shift-JIS", "2f2f208f898afa89bb0a", "// 初期化\n"],
  ["Shift-JIS", "78203d2027955c8ea6270a", "x = '表示'\n"],
  ["Shift-JIS", "7072696e7466282282b182f182c982bf82cd22293b", 'printf("こんにちは");'],
  ["EUC-JP", "2f2f20a5c6a5b9a5c8a4c7a4b9a1a3c0dfc4eaa4f2bde9b4fcb2bd0a", "// テストです。設定を初期化\n"],
  ["EUC-JP", "2f2f20cad1bff4a4cec0ebb8c00a", "// 変数の宣言\n"],
  ["Big5", "2f2f20a8cfa5ceaaccb56ea44a0a", "// 使用者登入\n"],
  ["Big5", "2f2f20a4a4a4e5b5f9b8d1a141aaeca96ca4c6b35da9770a", "// 中文註解，初始化設定\n"],
  ["EUC-KR", "2f2f20bec8b3e7c7cfbcbcbfe40a", "// 안녕하세요\n"],
  ["EUC-KR", "2f2f20baafbcf620bcb1bef00a", "// 변수 선언\n"],
  ["Windows-1251", "2f2f20cff0e8e2e5f220ece8f00a", "// Привет мир\n"],
  ["Windows-1251", "2f2f20f2e5f1f20a", "// тест\n"],
  ["KOI8-R", "2f2f20f0d2c9d7c5d420cdc9d20a", "// Привет мир\n"],
  ["Windows-1253", "2f2f20cae1ebe7ecddf1e120eafcf3ece50a", "// Καλημέρα κόσμε\n"],
  ["Windows-1250", "2f2f2066756e6b636a612067b3f3776e612c2064b375676f9ce60a", "// funkcja główna, długość\n"],
  ["ISO-8859-2", "2f2f205a61bff3b3e62067eab66cb1206a61bcf10a", "// Zażółć gęślą jaźń\n"],
  ["Windows-1252", "2f2f20636166e920fc626572206e61ef76650a", "// café über naïve\n"],
  ["Windows-1252", "4772f6df65", "Größe"],
  ["Windows-1252", "e9", "é"],
  ["Windows-1252", "9371756f74656494209620646173680a", "“quoted” – dash\n"],
  ["Windows-1252", "617574686f723a204a6f73e9204efaf1657a2c203130b0430a", "author: José Núñez, 10°C\n"],
];

Deno.test("files in the encodings of their countries are read, not garbled", () => {
  for (const [guessed, hex, text] of TEXTS) {
    assertEquals(decodeText(Uint8Array.fromHex(hex)), { kind: "text", text, guessed });
  }
});

Deno.test("what says its encoding itself is read by that: marks, zeros in UTF-16, escapes in ISO-2022-JP", () => {
  const texts: Record<string, string> = {
    "efbbbf61c3a9": "aé",
    "fffe6100e900": "aé",
    "feff006100e9": "aé",
    "6100620063000a00": "abc\n",
    "006100620063000a": "abc\n",
    "1b2442465e1b2842": "曇",
  };
  for (const [hex, text] of Object.entries(texts)) {
    assertEquals(decodeText(Uint8Array.fromHex(hex)), { kind: "text", text });
  }
  for (const hex of ["fffe000061000000", "0001020300", "89504e470d0a1a0a0000"]) {
    assertEquals(decodeText(Uint8Array.fromHex(hex)), { kind: "binary" });
  }
});

Deno.test("one wrong byte does not garble the rest of a UTF-8 text", () => {
  const bytes = new TextEncoder().encode("Größe, Maß, Straße, Übermaß, Häuser, Bäume, Fähre ?");
  bytes[bytes.length - 1] = 0xff;
  const decoded = decodeText(bytes);
  assertStringIncludes(
    decoded.kind === "text" ? decoded.text : "",
    "Größe, Maß, Straße, Übermaß, Häuser, Bäume, Fähre",
  );
});

Deno.test("a file of which the lines are in two encodings is read line by line", () => {
  const gbk = TEXTS.find(([encoding]) => encoding === "GBK")!;
  const line = new TextEncoder().encode("// 注释一行\n");
  const bytes = new Uint8Array([...line, ...Uint8Array.fromHex(gbk[1])]);
  assertEquals(decodeText(bytes), { kind: "text", text: `// 注释一行\n${gbk[2]}`, guessed: "GBK" });
});

Deno.test("a file in another encoding is shown as text with a note, one in no encoding is refused by its name", async () => {
  const gbk = TEXTS.find(([encoding]) => encoding === "GBK")!;
  const noise = Uint8Array.from({ length: 400 }, (_, i) => 128 + (i * 89 + 7 * (i % 13)) % 128);
  await using at = await toolsIn({ "gbk.c": Uint8Array.fromHex(gbk[1]), "noise.txt": noise });
  const { prompt, notShown } = await at.shown("chat", { prompt: "q", files: ["gbk.c"] });
  assertStringIncludes(prompt, gbk[2]);
  assertEquals(notShown, { "gbk.c": "read as GBK, which is a guess: it is not UTF-8" });
  const { answer } = await at.tools.call("chat", { prompt: "q", files: ["noise.txt"] });
  assertStringIncludes(
    String(answer.content),
    "noise.txt is no UTF-8, and which encoding it has cannot be told",
  );
  const all = await at.shown("chat", { prompt: "q", files: ["."] });
  assertStringIncludes(all.notShown["noise.txt"]!, "save it as UTF-8");
});

Deno.test("telling the encoding of a large file takes a moment at most", () => {
  const line = Uint8Array.fromHex(TEXTS[0]![1]);
  const large = new Uint8Array(1_000_000);
  for (let at = 0; at + line.length <= large.length; at += line.length) large.set(line, at);
  large.fill(0x20, large.length - large.length % line.length);
  const started = performance.now();
  const decoded = decodeText(large);
  assert(performance.now() - started < 1500);
  assertEquals(decoded.kind === "text" && decoded.guessed, "GBK");
});
