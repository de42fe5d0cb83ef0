/** An encoding from before Unicode, and how likely it is for a text. */
interface ScoredEncoding {
  encoding: string;
  /** How common the characters are that it gives; 1 at most. */
  score: number;
}

/** Characters that make up about half of any text in the language. */
const SIMPLIFIED =
  "的一是在不了有和人这中大为上个国我以要他时来用们生到作地于出就分对成会可主发年动同工也能下过子说产种面而方后多定行学法所民得经十三之进着等部度家电力里如水化高自二理起小物现实加量都两体制机当使点从业本去把性好应开它合还因由其些然前外天政四日那社义事平形相全表间样与关各重新线内数正心反你明看原又么利比或但质气第向道命此变条只没结解问意建月公无系军很情者最立代想已通并提直题党程展五果料象员革位入常文总次品式活设及管特件长求老头基资边流路级少图山统接知较将组见计别她手角期根论运农指几九区强放决西被干做必战先回则任取据处队南给色光门即保治北造百规热领七海口东导器压志世金增争济阶油思术极交受联什认六共权收证改清己美再采转更单风切打白教速花带安场身车例真务具万每目至达走积示议声报斗完类八离华名确才科张信马节话米整空元况今集温传土许步群广石记需段研界拉林律叫且究观越织装影算低持音众书布复容儿须际商非验连断深难近矿千周委素技备半办青省列习响约支般史感劳便团往酸历市克何除消构府称太准精值号率族维划选标写存候毛亲快效斯院查江型眼王按格养易置派层片始却专状育厂京识适属圆包火住调满县局照参红细引听该铁价严首底液官德随病苏失尔死讲配女黄推显谈罪神艺呢席含企望密批营项防举球英氧势告李台落木帮轮破亚师围注远字材排供河态封另施减树溶怎止案言士均武固叶鱼波视仅费紧爱左章早朝害续轻服试食充兵源判护司足某练差致板田降黑犯负击范继兴似余坚曲输修故城夫够送笔船占右财吃富春职觉汉画功巴跟虽杂飞检吸助升阳互初创抗考投坏策古径换未跑留钢曾端责站简述钱副尽帝射草冲承独令限阿宣环双请超微让控州良轴找否纪益依优顶础载倒房突坐粉敌略客袁冷胜绝析块剂测丝协诉念陈仍罗盐友洋错苦夜刑移频逐靠混母短皮终聚汽村云哪既距卫停烈央察烧迅境若印洲刻括激孔搞甚室待核校散侵吧甲游久菜味旧模湖货损预阻毫普稳乙妈植息扩银语挥酒守拿序纸医缺雨吗针刘啊急唱误训愿审附获茶鲜粮斤孩脱硫肥善龙演父渐血欢械掌歌沙刚攻谓盾讨晚粒乱燃矛乎杀药宁鲁贵钟煤读班伯香介迫句丰培握兰担弦蛋沉假穿执答乐谁顺烟缩征脸喜松脚困异免背星福买染井概慢怕磁倍祖皇促静补评翻肉践尼衣宽扬棉希伤操垂秋宜氢套督振架亮末宪庆编牛触映雷销诗座居抓裂胞呼娘景威绿晶厚盟衡鸡孙延危胶屋乡临陆顾掉呀灯岁措束耐剧玉赵跳哥季课凯胡额款绍卷齐伟蒸殖永宗苗川炉岩弱零杨奏沿露杆探滑镇饭浓航怀赶库夺伊灵税途灭赛归召鼓播盘裁险康唯录菌纯借糖盖横符私努堂域枪润幅哈竟熟虫泽脑壤碳欧遍侧寨敢彻虑斜薄庭纳弹饲伸折麦湿暗荷瓦塞床筑恶户访塔奇透梁刀旋迹卡氯遇份毒泥退洗摆灰彩卖耗夏择忙铜献硬予繁圈雪函亦抽篇阵阴丁尺追堆雄迎泛爸楼避谋吨野猪旗累偏典馆索秦脂潮爷豆忽托惊塑遗愈朱替纤粗倾尚痛楚谢奋购磨君池旁碎骨监捕弟暴割贯殊释词亡壁顿宝午尘闻揭炮残冬桥妇警综招吴付浮遭徐您摇谷赞箱隔订男吹园纷唐败宋玻巨耕坦荣闭湾键凡驻锅救恩剥凝碱齿截炼麻纺禁废盛版缓净睛昌婚涉筒嘴插岸朗庄街藏姑贸腐奴啦惯乘伙恢匀纱扎辩耳彪臣亿璃抵脉秀萨俄网舞店喷纵寸汗挂洪贺闪柬爆烯津稻墙软勇像滚厘蒙芳肯坡柱荡腿仪旅尾轧冰贡登黎削钻勒逃障氨郭峰币港伏轨亩毕擦莫刺浪秘援株健售股岛甘泡睡童铸汤阀休汇舍牧绕炸哲磷绩朋淡尖启陷柴呈徒颜泪稍忘泵蓝拖洞授镜辛壮锋贫虚弯摩泰幼廷尊窗纲弄隶疑氏宫姐震瑞怪尤琴循描膜违夹腰缘珠穷森枝竹沟催绳忆邦剩幸浆栏拥牙贮礼滤钠纹罢拍咱喊袖埃勤罚焦潜伍墨欲缝姓刊饱仿奖铝鬼丽跨默挖链扫喝袋炭污幕诸弧励梅奶洁灾舟鉴苯讼抱毁懂寒智埔寄届跃渡挑丹艰贝碰拔爹戴码梦芽熔赤渔哭敬颗奔铅仲虎稀妹乏珍申桌遵允隆螺仓魏锐晓氮兼隐碍赫拨忠肃缸牵抢博巧壳兄杜讯诚碧祥柯页巡矩悲灌龄伦票寻桂铺圣恐恰郑趣抬荒腾贴柔滴猛阔辆妻填撤储签闹扰紫砂递戏吊陶伐喂疗瓶婆抚臂摸忍虾蜡邻胸巩挤偶弃槽劲乳邓吉仁烂砖租乌舰伴瓜浅丙暂燥橡柳迷暖牌秧胆详簧踏瓷谱呆宾糊洛辉愤竞隙怒粘乃绪肩籍敏涂熙皆侦悬掘享纠醒狂锁淀恨牲霸爬赏逆玩陵祝秒浙貌注释缓存异常返回默认参数配置初始化线程循环遍历索引字符串数组列表缓冲删除插入更新查询获取设置登录用户密码错误";
const TRADITIONAL =
  "的一是不了在人有我他這個們中來上大為和國地到以說時要就出會可也你對生能而子那得於著下自之年過發後作里用道行所然家種事成方多經麼去法學如都同現當沒動面起看定天分還進好小部其些主樣理心本前開但因只從想實日軍者意無力它與長把機十民第公此已工使情明性知全三又關點正業外將兩高間由問很最重並物手應戰向頭文體政美相見被利什二等產或新己制身果加西斯月話合回特代內信表化老給世位次度門任常先海通教兒原東聲提立及比員解水名真論處走義各入幾口認條平系氣題活爾更別打女變四神總何電數安少報才結反受目太量再感建務做接必場件計管期市直德資命山金指克許統區保至隊形社便空決治展馬科司五基眼書非則聽白卻界達光放強即像難且權思王象完設式色路記南品住告類求據程北邊死張該交規萬取拉格望覺術領共確傳師觀清今切院讓識候帶導爭運笑飛風步改收根干造言聯持組每濟車親極林服快辦議往元英士證近失轉夫令準布始怎呢存未遠叫台單影具羅字愛擊流備兵連調深商算質團集百需價花黨華城石級整府離況亞請技際約示復病息究線似官火斷精滿支視消越器容照須九增研寫稱企八功嗎包片史委乎查輕易早曾除農找裝廣顯吧阿李標談吃圖念六引歷首醫局突專費號盡另周較注語僅考落青隨選列武紅響雖推勢參希古眾構房半節土投某案黑維革劃敵致陳律足態護七興派孩驗責營星夠章音跟志底站嚴巴例防族供效續施留講型料終答緊黃絕奇察母京段依批群項故按河米圍江織害鬥雙境客紀採舉殺攻父蘇密低朝友訴止細願千值仍男錢破網熱助倒育屬坐帳註釋初始設定預設參數回傳變數陣列檔案使用者密碼錯誤函式執行緒迴圈佇列";
const KANJI =
  "日一国人年大十二本中長出三時行見月後前生五間上東四今金九入学高円子外八六下来気小七山話女北午百書先名川千水半男西電校語土木聞食車何南万毎白天母火右読友左休父雨会社事自発者地業方新場員立開手力問代明動京目通言理体田主題意不作用度強公持野以思家世多正安院心界教文元重近考画海売知道集別物使品計死特私始朝運終台広住真有口少町料工建空急止送切転研足究楽起着店病質待試族銀早映親験英医仕去味写字答夜音注帰古歌買悪図週室歩風紙黒花春赤青館屋色走秋夏習駅洋旅服夕借曜飲肉貸堂鳥飯勉冬昼茶弟牛魚兄犬妹姉漢政議民連対部合市内相定回選米実関決全表戦経最現調化当約首法性的要制治務成期取都和機平加受続進数記初指権支産点報済活原共得解交資予向際勝面告反判認参利組信在件側任引求所次昨論官増係感情投示変打直両式確果容必演歳争談能位置流格疑過局放常状球職与供役構割身費付由説難優夫収断石違消神番規術備宅害配警育席訪乗残想声念助労例然限追商葉伝働形景落好退頭負渡失差末守若種美命福望非観察段横深申様財港識呼達良候程満敗値突光路科積他処太客否師登易速存飛殺号単座破除完降責捕危給苦迎園具辞因馬愛富彼未舞亡冷適婦寄込顔類余王返妻背熱宿薬険頼覚船途許抜便留罪努精散静婚喜浮絶幸押倒等老曲払庭徒勤遅居雑招困欠更刻賛抱犯恐息遠戻願絵越欲痛笑互束似列探逃遊迷夢君閉緒折草暮酒悲晴掛到寝暗盗吸陽御歯忘雪吹娘誤洗慣礼窓昔貧怒祖杯疲皆鳴腹煙眠怖耳頂箱晩寒髪忙才靴恥偶偉猫幾設定初期化読込書込配列文字列関数変数引数戻値例外処理追加削除更新検索取得生成実行確認";
const HANGUL =
  "이다는의에을를가고한지하로사은기도시정리자과인수나어대서라일해그아있스보전부제만여주장원오상들으게요소비공계안조물생년구동모관마신경성진위할중세행개적트것없국용방무발번연드면문실후분체화선음호재통식유회학당바내단간거터치히야미현입니습어러알려질우설명처데록력불출류차내저된될되데류함값변환반석열출복초추검토확삭삽갱였했입출결과예외파일객코드호환";
/** Small letters of alphabets of which whole words are outside ASCII; capitals are rare. */
const ALPHABETS = {
  "windows-1251": { small: "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэёфъіїєґ", capital: /[А-ЯЁІЇЄ]/ },
  "koi8-r": { small: "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэёфъ", capital: /[А-ЯЁ]/ },
  "windows-1253": { small: "αοιετσνηυρπκμλωγδθχφβξζψςάέήίόύώ", capital: /[Α-ΩΆΈΉΊΌΎΏ]/ },
} as const;

const COMMON = {
  gb18030: new Set(SIMPLIFIED),
  big5: new Set(TRADITIONAL),
  shift_jis: new Set(KANJI),
  "euc-jp": new Set(KANJI),
  "euc-kr": new Set(HANGUL),
} as const;

type Asian = keyof typeof COMMON;

/** Least score of an encoding that is taken, and least distance to the next. */
const MIN_SCORE = 0.4;
const MIN_LEAD = 0.02;

const MAX_SAMPLE_BYTES = 65_536;

/** The names people know. */
const NAMES: Readonly<Record<string, string>> = {
  gb18030: "GBK",
  big5: "Big5",
  shift_jis: "Shift-JIS",
  "euc-jp": "EUC-JP",
  "euc-kr": "EUC-KR",
  "windows-1251": "Windows-1251",
  "koi8-r": "KOI8-R",
  "iso-8859-2": "ISO-8859-2",
  "windows-1250": "Windows-1250",
  "windows-1252": "Windows-1252",
  "windows-1253": "Windows-1253",
};

/** The text in `bytes`, or which encodings it could have. */
type LegacyText = { text: string; encoding: string } | { candidates: readonly string[] };

/**
 * Decodes text that is not UTF-8 by the encoding that gives the most common characters of its language. Neither a mark
 * nor a rule says which it is, and the texts are short: a comment in a source file.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { decodeLegacy } from "./legacy_encoding.ts";
 *
 * const gbk = Uint8Array.of(0xc4, 0xe3, 0xba, 0xc3);
 * assertEquals(decodeLegacy(gbk), { text: "你好", encoding: "GBK" });
 * ```
 */
export function decodeLegacy(bytes: Uint8Array): LegacyText {
  const sample = sampleOf(bytes);
  const candidates = [
    ...(Object.keys(COMMON) as Asian[]).flatMap((encoding) => scoreAsian(sample, encoding)),
    ...(Object.keys(ALPHABETS) as Alphabet[]).map((encoding) => scoreAlphabet(sample, encoding)),
    ...(Object.keys(LATIN) as Latin[]).map((encoding) => scoreLatin(sample, encoding)),
  ].sort((a, b) => b.score - a.score);
  const [best, second] = candidates;
  if (best!.score >= MIN_SCORE && best!.score - second!.score >= MIN_LEAD) {
    const { encoding } = best!;
    return { text: new TextDecoder(encoding).decode(bytes), encoding: NAMES[encoding]! };
  }
  const likely = candidates.filter(({ score }) => score > best!.score - MIN_LEAD && score > 0);
  return { candidates: likely.map(({ encoding }) => NAMES[encoding]!) };
}

/** The first lines of `bytes` that are not ASCII: no encoding here has the byte of a line end within a character. */
function sampleOf(bytes: Uint8Array): Uint8Array {
  const sample = new Uint8Array(Math.min(bytes.length, MAX_SAMPLE_BYTES));
  let length = 0;
  for (let start = 0; start < bytes.length && length < sample.length;) {
    const end = bytes.indexOf(0x0a, start);
    const line = bytes.subarray(start, end < 0 ? bytes.length : end + 1);
    start += line.length;
    if (!line.some((byte) => byte > 0x7f)) continue;
    const part = line.subarray(0, sample.length - length);
    sample.set(part, length);
    length += part.length;
  }
  return sample.subarray(0, length);
}

function scoreAsian(bytes: Uint8Array, encoding: Asian): ScoredEncoding[] {
  const text = new TextDecoder(encoding).decode(bytes);
  const common: ReadonlySet<string> = COMMON[encoding];
  let score = 0;
  let count = 0;
  for (const char of text) {
    if (char <= "\x7f") continue;
    count++;
    score += weightOf(char, common, encoding);
  }
  return count === 0 ? [] : [{ encoding, score: score / count }];
}

function weightOf(char: string, common: ReadonlySet<string>, encoding: Asian): number {
  if (char === "\ufffd") return -4;
  if (common.has(char)) return 1;
  const isJapanese = encoding === "shift_jis" || encoding === "euc-jp";
  // Kana are in the table of GBK too, but in no Chinese text.
  if (/[\u3041-\u3096\u30a1-\u30fc]/.test(char)) return isJapanese ? 1 : -0.5;
  if (/[\u3000-\u3002\u300c-\u3011\uff01\uff08\uff09\uff0c\uff1a\uff1b\uff1f\uff5e]/.test(char)) return 0.8;
  if (/[\u2010-\u2027\uff01-\uff5e\u00b7]/.test(char)) return 0.3;
  if (encoding === "euc-kr") return /[\uac00-\ud7a3]/.test(char) ? 0.35 : -0.2;
  return /[\u4e00-\u9fff]/.test(char) ? 0.15 : -0.7;
}

type Alphabet = keyof typeof ALPHABETS;

function scoreAlphabet(bytes: Uint8Array, encoding: Alphabet): ScoredEncoding {
  const text = new TextDecoder(encoding).decode(bytes);
  const { small, capital } = ALPHABETS[encoding];
  let score = 0;
  let count = 0;
  for (const [word] of text.matchAll(BEYOND_ASCII)) {
    for (const [at, char] of [...word].entries()) {
      count++;
      const rank = small.indexOf(char);
      const other = capital.test(char) && (at === 0 || capital.test(word[at - 1]!)) ? 0.4 : -0.5;
      // The rarer half counts less. Words of one or two such letters are rather Latin ones with accents.
      const weight = rank < 0 ? other : rank < small.length / 2 ? 0.95 : 0.7;
      score += word.length >= 3 ? weight : Math.min(weight, 0.3);
    }
  }
  return { encoding, score: count === 0 ? 0 : score / count };
}

const CENTRAL = "ĄĆĘŁŃÓŚŹŻąćęłńóśźżčďěňřšťůžČĎĚŇŘŠŤŮŽáéíýúőűöüäßÁÉÍÝÚŐŰÖÜÄ";

/** Letters that western and central European languages add, the more likely encoding first. */
const LATIN = {
  "windows-1252": { letters: "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜßàáâãäåæçèéêëìíîïñòóôõöøùúûüœŒÿ", most: 1 },
  "windows-1250": { letters: CENTRAL, most: 0.9 },
  "iso-8859-2": { letters: CENTRAL, most: 0.85 },
} as const;
type Latin = keyof typeof LATIN;

const SIGNS = new Set("“”‘’–—…•€£©®™°±µ·«»§ªº¿¡²³½¼×\u00a0");
/** Signs that stand between two letters. */
const JOINING = new Set("’·–");
const BEYOND_ASCII = /[\x80-\u{10ffff}]+/gu;

/** Letters with accents stand alone, or nearly so, among others. */
function scoreLatin(bytes: Uint8Array, encoding: Latin): ScoredEncoding {
  const text = new TextDecoder(encoding).decode(bytes);
  const { letters, most } = LATIN[encoding];
  let score = 0;
  let count = 0;
  for (const { 0: run, index } of text.matchAll(BEYOND_ASCII)) {
    count += run.length;
    const share = [1, 0.75, 0.6, 0.6][run.length - 1] ?? 0.1;
    for (let at = index; at < index + run.length; at++) {
      const char = text[at]!;
      const isWithin = /\p{L}/u.test(text[at - 1] ?? "") && /\p{L}/u.test(text[at + 1] ?? "");
      const sign = !SIGNS.has(char) ? -0.5 : isWithin && !JOINING.has(char) ? -0.3 : 0.9;
      score += Math.min(letters.includes(char) ? 1 : sign, share) * most;
    }
  }
  return { encoding, score: count === 0 ? 0 : score / count };
}
