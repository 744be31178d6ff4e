"""The words of the nano world, by kind: about 330 English words and 170 characters.

Everything the nano model can read, say or hear is composed of these.
"""

import functools
import re

# Spelled alike, spoken by context: never drawn without one.
HETERONYMS = frozenset("live close read lead wind tear use".split())

# Spelled differently, spoken alike (no/know, to/two …): one of each pair is never
# drawn without a sentence around it, since nobody could tell from its sound how to
# write it.
HOMOPHONES = frozenset("no here see to for their write eye hole week bye be".split())

NUMBERS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen "
    "fourteen fifteen sixteen seventeen eighteen nineteen twenty"
).split()
TENS = "thirty forty fifty sixty seventy eighty ninety hundred".split()
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
MONTHS = (
    "January February March April May June July August September October November "
    "December"
).split()
COLOURS = "red blue green yellow black white brown orange pink purple gray gold".split()

# Nouns by what they can do in a sentence.
ANIMALS = (
    "cat dog bird cow horse sheep pig duck frog fish lion bear rabbit mouse bee snake "
    "monkey owl"
).split()
PEOPLE = (
    "mother father sister brother teacher doctor farmer child friend girl boy king "
    "queen"
).split()
THINGS = (
    "apple banana ball book box bread cake car chair coat cup door egg flower hat key "
    "lamp milk moon paper pen picture river road rock sea ship shoe sky snow soup star "
    "stone sun table tea tree water window bag bell bottle clock coin cloud"
).split()
PLACES = (
    "city farm forest garden hill house island kitchen market park river school shop "
    "station street village beach bridge"
).split()
ADJECTIVES = (
    "big small old young new happy sad fast slow hot cold long short high low good bad "
    "clean dirty strong weak soft hard full empty open light dark early late quiet "
    "loud sweet kind little warm"
).split()
VERBS = (
    "sees likes finds wants takes brings makes keeps opens holds buys carries draws "
    "paints hears knows loves needs follows helps"
).split()
MOVES = (
    "runs walks sleeps sings plays waits sits jumps swims works talks laughs eats "
    "stands"
).split()
ADVERBS = (
    "slowly quickly today tomorrow again always never often now here there together "
    "alone quietly soon"
).split()
PREPOSITIONS = "in on under near behind by with from to at over after before".split()
SMALL = (
    "the a an and but is are was not my your his her our this that some very it he she "
    "we they I you what where who how because of for about can will do more than like"
).split()

# Mandarin: each entry is one word; the tokenizer sees its characters.
ZH_NUMBERS = "零 一 二 三 四 五 六 七 八 九 十".split()
ZH_ANIMALS = "猫 狗 鸟 牛 马 羊 猪 鱼 熊 兔子".split()
ZH_PEOPLE = "妈妈 爸爸 老师 朋友 孩子 姐姐 哥哥 医生".split()
ZH_THINGS = "苹果 书 花 树 水 茶 车 门 米饭 月亮 太阳 雪 衣服 杯子 雨".split()
ZH_PLACES = "学校 公园 家里 城市 河边 山上 商店 花园".split()
ZH_ADJECTIVES = "大 小 新 旧 高 白 红 蓝 绿 黑 黄 好 热 冷 快 慢 长 短 多 少".split()
ZH_VERBS = "喜欢 看见 找到 想要 听见 画 买 带".split()
ZH_MOVES = "睡觉 跑步 唱歌 吃饭 工作 走路 说话 玩".split()
ZH_TIMES = "今天 明天 昨天 现在 早上 晚上".split()
ZH_MORE = (
    "天空 草 肉 虫 牛奶 香蕉 树叶 大海 火 星期 音乐 动物 声音 电脑 颜色 食物 谢谢 再见 "
    "我们 请问 知道 什么 哪里 等于 后面 前面"
).split()
ZH_ADVERBS = "很 不 也 都 常常 慢慢 快快 轻轻".split()

ENGLISH_WORDS = tuple(
    dict.fromkeys(
        NUMBERS + TENS + DAYS + MONTHS + COLOURS + ANIMALS + PEOPLE + THINGS + PLACES
        + ADJECTIVES + VERBS + MOVES + ADVERBS + PREPOSITIONS + SMALL
    )
)  # fmt: skip
MANDARIN_WORDS = tuple(
    dict.fromkeys(
        ZH_NUMBERS + ZH_ANIMALS + ZH_PEOPLE + ZH_THINGS + ZH_PLACES + ZH_ADJECTIVES
        + ZH_VERBS + ZH_MOVES + ZH_TIMES + ZH_ADVERBS + ZH_MORE
    )
)  # fmt: skip


@functools.cache
def all_english_words() -> tuple[str, ...]:
    """Every word of the English texts that sound and spelling give each other away."""
    from minimind_o.data.facts import plain
    from minimind_o.data.facts_english import english_facts

    words = dict.fromkeys(ENGLISH_WORDS)
    for fact in english_facts():
        for text in (*fact.questions, plain(fact.answer)):
            words |= dict.fromkeys(
                w for w in re.findall(r"[A-Za-z]+", text) if w != "x"
            )
    keep: dict[str, str] = {}
    for word in words:
        keep.setdefault(word.lower(), word)
        if word.islower():
            keep[word.lower()] = word
    return tuple(w for w in keep.values() if w not in HETERONYMS | HOMOPHONES)
