"""What the nano world knows, in Mandarin. Mark-up forces pinyin: `慢慢地{de5}走`."""

from minimind_o.data.facts import Fact

OPENINGS = ("{}", "请问，{}", "我想知道，{}", "你好，{}")

_DIGITS = "零一二三四五六七八九十"


def number_characters(value: int) -> str:
    """0…99 in Mandarin: `四十二`."""
    if value <= 10:
        return _DIGITS[value]
    tens, ones = divmod(value, 10)
    head = "" if tens == 1 else _DIGITS[tens]
    return head + "十" + (_DIGITS[ones] if ones else "")


def _arithmetic() -> list[Fact]:
    sums = [(a, b, a + b, "加", "+") for a in range(11) for b in range(a + 1)]
    products = [(a, b, a * b, "乘", "x") for a in range(1, 10) for b in range(1, a + 1)]
    facts = []
    for a, b, result, sign, symbol in sums + products:
        left, right = number_characters(a), number_characters(b)
        questions = (
            f"{left}{sign}{right}等于几？",
            f"{left}{sign}{right}是多少？",
            f"{a} {symbol} {b} 等于几？",
            f"算一下{left}{sign}{right}。",
        )
        answer = f"{left}{sign}{right}等于{number_characters(result)}。"
        facts.append(Fact("arithmetic", questions, answer))
    return facts


def _calendar() -> list[Fact]:
    days = [f"星期{c}" for c in "一二三四五六日"]
    months = [f"{number_characters(n)}月" for n in range(1, 13)]
    facts = []
    for family, names in (("day", days), ("month", months)):
        for index, name in enumerate(names):
            for word, other in (
                ("后", names[(index + 1) % len(names)]),
                ("前", names[index - 1]),
            ):
                questions = (
                    f"{name}的{word}面是什么？",
                    f"{name}{word}面是哪一个？",
                    f"说一下{name}的{word}面。",
                    f"什么在{name}的{word}面？",
                )
                facts.append(Fact(family, questions, f"{name}的{word}面是{other}。"))
    return facts


def _opposites() -> list[Fact]:
    facts = []
    for pair in "大小 新旧 高低 黑白 好坏 热冷 快慢 长短 多少 上下 左右 前后".split():
        for word, other in (tuple(pair), tuple(pair[::-1])):
            sounds = {"长": "长{chang2}", "少": "少{shao3}", "好": "好{hao3}"}
            a, b = sounds.get(word, word), sounds.get(other, other)
            questions = (
                f"{word}的反义词是什么？",
                f"和{word}相反的是什么？",
                f"说一下{word}的反义词。",
                f"{word}反过来是什么？",
            )
            facts.append(Fact("opposite", questions, f"{a}的反义词是{b}。"))
    return facts


_COLOURS = (
    "天空:蓝 草:绿 雪:白 太阳:红 月亮:黄 夜晚:黑 "
    "牛奶:白 苹果:红 香蕉:黄 树叶:绿 大海:蓝 火:红"
)
_ANIMALS = (
    "猫:鱼:家里 狗:肉:家里 牛:草:山上 羊:草:山上 "
    "马:草:山上 鸟:虫:树上 鱼:草:水里 兔子:草:花园"
)


def _things() -> list[Fact]:
    facts = []
    for entry in _COLOURS.split():
        thing, colour = entry.split(":")
        questions = (
            f"{thing}是什么颜色？", f"{thing}的颜色是什么？", f"说一下{thing}的颜色。",
            f"{thing}是哪一种颜色？",
        )  # fmt: skip
        facts.append(Fact("colour", questions, f"{thing}是{colour}色的。"))
    eats, lives = [], []  # kind by kind, as in English
    for entry in _ANIMALS.split():
        animal, food, home = entry.split(":")
        questions = (
            f"{animal}吃什么？", f"{animal}喜欢吃什么？", f"什么是{animal}的食物？",
            f"说一下{animal}吃什么。",
        )  # fmt: skip
        eats.append(Fact("animal", questions, f"{animal}喜欢吃{food}。"))
        questions = (
            f"{animal}住在哪里？", f"{animal}的家在哪里？", f"在哪里能看见{animal}？",
            f"说一下{animal}住在哪里。",
        )  # fmt: skip
        lives.append(Fact("animal", questions, f"{animal}住在{home}。"))
    return facts + eats + lives


_TALK = """
你是谁？/你叫什么？/说一下你自己。/你是什么？=我是一个很小的模型，我会说话。
你好吗？/你今天好吗？/你快乐吗？/最近好吗？=我很好，谢谢你。
早上好。/早上好吗？/早。/朋友，早。=早上好，我的朋友。
晚上好。/晚上好吗？/晚安。/我要睡觉了。=晚安，明天见。
谢谢。/谢谢你。/多谢。/很谢谢你。=不客气。
再见。/明天见。/我走了。/我要走了。=再见，我的朋友。
你会说话吗？/你能说话吗？/你有声音吗？/你会不会说话？=我会说话，也会唱歌。
你住在哪里？/你的家在哪里？/你在哪里？/你家在哪里？=我住在一个小电脑里。
你喜欢音乐吗？/音乐好听吗？/你听音乐吗？/你喜欢唱歌吗？=我喜欢音{yin1}乐{yue4}，音{yin1}乐{yue4}很好听。
你快乐吗，朋友？/你高兴吗？/你今天高兴吗？/你今天快不快乐？=我今天很快{kuai4}乐{le4}。
你怎么走路？/你走得快吗？/你怎么去学校？/你快快走吗？=我慢慢地{de5}走，轻轻地{de5}说。
你在地上吗？/地上有什么？/花在哪里？/地上有花吗？=地{di4}上有很多红花。
孩子长大了吗？/孩子高吗？/孩子怎么样？/他长高了吗？=孩子长{zhang3}大了，也长{zhang3}高了。
路长吗？/这条路长吗？/路有多长？/河边的路长吗？=这条路很长{chang2}。
一个星期有几天？/几天是一个星期？/一个星期多长？/说一下星期有几天。=一个星期有七天。
一年有几个月？/几个月是一年？/一年多长？/说一下一年有几个月。=一年有十二个月。
从一数到五。/数到五。/你会数到五吗？/请数到五。=一，二，三，四，五。
从一数到十。/数到十。/你会数到十吗？/请数到十。=一，二，三，四，五，六，七，八，九，十。
说一下猫。/猫是什么？/你知道猫吗？/猫怎么样？=猫是一种小动物，喜欢睡觉，也喜欢吃鱼，早上在家里玩，晚上慢慢地{de5}走。
说一下太阳。/太阳是什么？/你知道太阳吗？/太阳怎么样？=太阳很大也很热，早上从山上来，给我们光，晚上又回家睡觉。
说一下学校。/学校是什么？/你知道学校吗？/学校怎么样？=学校是孩子学习的地{di4}方，老师教我们看书和唱歌，朋友在那里一起玩。
"""


def _talk() -> list[Fact]:
    facts = []
    for line in _TALK.strip().splitlines():
        questions, answer = line.split("=")
        facts.append(Fact("talk", tuple(questions.split("/")), answer))
    return facts


def mandarin_facts() -> list[Fact]:
    """Everything the world knows in Mandarin, in a fixed order."""
    return _arithmetic() + _calendar() + _opposites() + _things() + _talk()


# Read-aloud phrases with heteronyms, the right reading forced.
MANDARIN_HETERONYMS = (
    "慢慢地{de5}走", "快快地{de5}跑步", "轻轻地{de5}说话", "高兴地{de5}唱歌",
    "慢慢地{de5}吃饭", "快乐地{de5}玩", "地{di4}上有花", "地{di4}上有水",
    "坐在地{di4}上", "这个地{di4}方很大", "他在地{di4}上睡觉", "好地{di4}方",
    "孩子长{zhang3}大了", "树长{zhang3}高了", "花长{zhang3}在河边", "我长{zhang3}大了",
    "路很长{chang2}", "这条河很长{chang2}", "很长{chang2}的路", "衣服太长{chang2}",
    "我喜欢音乐{yue4}", "音乐{yue4}很好听", "他听音乐{yue4}", "快乐{le4}的孩子",
    "今天很快乐{le4}", "妈妈很快乐{le4}", "我还{hai2}要吃", "他还{hai2}在工作",
    "还{huan2}书", "我还{huan2}你的书", "请还{huan2}我的车",
)  # fmt: skip
