"""What the nano world knows, in English: questions in several phrasings, one answer.

`word{phonemes}` forces a pronunciation in espeak-ng's phonemes; the braces are not part
of the text. A phrasing is a question form, asked through one of the `OPENINGS`.
"""

from minimind_o.data.facts import Fact
from minimind_o.data.vocabulary import DAYS, MONTHS, NUMBERS, TENS

OPENINGS = (
    "{}",
    "Please tell me, {}",
    "I want to know, {}",
    "Hello, {}",
    "My friend, {}",
)


def number_word(value: int) -> str:
    """0…100 in words, without a hyphen: `forty two`."""
    if value <= 20:
        return NUMBERS[value]
    if value == 100:
        return "one hundred"
    tens, ones = divmod(value, 10)
    return TENS[tens - 3] + (f" {NUMBERS[ones]}" if ones else "") if tens > 2 else (
        f"twenty {NUMBERS[ones]}"
    )  # fmt: skip


def _arithmetic() -> list[Fact]:
    sums = [
        (a, b, a + b, "plus", "+", ("{a} and {b} make what?", "add {a} and {b}."))
        for a in range(11) for b in range(11)
    ]  # fmt: skip
    differences = [
        (a, b, a - b, "minus", "-",
         ("{a} take away {b} is what?", "take {b} from {a}."))
        for a in range(11) for b in range(a + 1)
    ]  # fmt: skip
    products = [
        (a, b, a * b, "times", "x", ("{a} times {b} is what?", "multiply {a} and {b}."))
        for a in range(1, 11) for b in range(1, 11)
    ]  # fmt: skip
    facts = []
    for a, b, result, sign, symbol, forms in sums + differences + products:
        names = {"a": number_word(a), "b": number_word(b)}
        questions = [f"what is {names['a']} {sign} {names['b']}?"]
        questions.append(f"how much is {names['a']} {sign} {names['b']}?")
        questions.append(f"what is {a} {symbol} {b}?")
        questions += [form.format(**names) for form in forms]
        answer = f"{names['a']} {sign} {names['b']} is {number_word(result)}."
        facts.append(Fact("arithmetic", tuple(questions), _sentence(answer)))
    return facts


def _calendar() -> list[Fact]:
    facts = []
    for kind, names in (("day", DAYS), ("month", MONTHS)):
        for index, name in enumerate(names):
            after, before = names[(index + 1) % len(names)], names[index - 1]
            facts.append(
                Fact(
                    kind,
                    (
                        f"which {kind} comes after {name}?",
                        f"what comes after {name}?",
                        f"what is the next {kind} after {name}?",
                        f"name the {kind} after {name}.",
                    ),
                    f"{after} comes after {name}.",
                )
            )
            facts.append(
                Fact(
                    kind,
                    (
                        f"which {kind} comes before {name}?",
                        f"what comes before {name}?",
                        f"what is the {kind} before {name}?",
                        f"name the {kind} before {name}.",
                    ),
                    f"{before} comes before {name}.",
                )
            )
    return facts


_OPPOSITES = (
    "big small|old new|happy sad|fast slow|hot cold|long short|high low|good bad|"
    "clean dirty|strong weak|hard soft|full empty|open closed|light dark|early late|"
    "quiet loud|day night|up down|left right|yes no|first last|black white|"
    "always never|before after|in out"
)


def _opposites() -> list[Fact]:
    facts = []
    for pair in _OPPOSITES.split("|"):
        for word, other in (pair.split(), pair.split()[::-1]):
            forms = (
                f"what is the opposite of {word}?",
                f"which word means the opposite of {word}?",
                f"{word} is the opposite of what?",
                f"name the opposite of {word}.",
            )
            facts.append(Fact("opposite", forms, f"The opposite of {word} is {other}."))
    return facts


_COLOURS = (
    "the sky:blue|grass:green|snow:white|the sun:yellow|blood:red|the night:black|"
    "a banana:yellow|milk:white|a tomato:red|the sea:blue|a pig:pink|gold:yellow|"
    "chocolate:brown|an orange:orange|coal:black|a cloud:white|wood:brown|ice:white|"
    "a mouse:gray|a frog:green|a lion:brown|a leaf:green|fire:orange|a rose:red"
)


def _colours() -> list[Fact]:
    facts = []
    for entry in _COLOURS.split("|"):
        thing, colour = entry.split(":")
        forms = (
            f"what color is {thing}?",
            f"which color does {thing} have?",
            f"tell me the color of {thing}.",
            f"what is the color of {thing}?",
        )
        facts.append(Fact("colour", forms, _sentence(f"{thing} is {colour}.")))
    return facts


# animal: what it says or does, where it lives, what it eats, legs
_ANIMALS = (
    "cat:meow:a house:fish:four|dog:woof:a house:meat:four|cow:moo:a farm:grass:four|"
    "duck:quack:a river:bread:two|sheep:baa:a farm:grass:four|"
    "pig:oink:a farm:apples:four|bird:tweet:a tree:seeds:two|"
    "bee:buzz:a garden:flowers:six|mouse:squeak:a hole:cheese:four|"
    "frog:croak:a river:flies:four|owl:hoot:a forest:mice:two|"
    "lion:roar:the grass:meat:four|horse:neigh:a farm:grass:four|"
    "bear:growl:a forest:honey:four"
)


def _animals() -> list[Fact]:
    """Kind by kind: by animal, one form of a kind would be held out of every animal."""
    says, lives, eats, legs = [], [], [], []
    for entry in _ANIMALS.split("|"):
        animal, sound, home, food, count = entry.split(":")
        the = f"an {animal}" if animal[0] in "aeiou" else f"a {animal}"
        says.append(Fact("animal", (
            f"what does {the} say?", f"which sound does {the} make?",
            f"how does {the} sound?", f"what sound comes from {the}?",
        ), _sentence(f"{the} says {sound}.")))  # fmt: skip
        lives.append(Fact("animal", (
            f"where does {the} live?", f"where is the home of {the}?",
            f"where can I find {the}?", f"in what place does {the} live?",
        ), _sentence(f"{the} lives in {home}.")))  # fmt: skip
        eats.append(Fact("animal", (
            f"what does {the} eat?", f"what is the food of {the}?",
            f"what does {the} like to eat?", f"tell me what {the} eats.",
        ), _sentence(f"{the} eats {food}.")))  # fmt: skip
        legs.append(Fact("animal", (
            f"how many legs does {the} have?", f"on how many legs does {the} walk?",
            f"tell me how many legs {the} has.", f"{the} has how many legs?",
        ), _sentence(f"{the} has {count} legs.")))  # fmt: skip
    return says + lives + eats + legs


_TALK = """
who are you?/what are you?/tell me about you./what is your name?=I am a very small model and I can talk with you.
how are you?/how do you feel?/are you well today?/how is your day?=I am very well, thank you, and I am happy to talk with you.
good morning./good morning to you./morning./a very good morning.=Good morning, my friend.
good night./good night to you./night./I go to sleep now.=Good night, sleep well.
thank you./thanks./thank you very much./many thanks.=You are welcome.
goodbye./bye./see you soon./I have to go.=Goodbye, and see you soon.
can you hear me?/do you hear me?/are you there?/is it you?=Yes, I am here and I can hear you.
can you speak?/do you speak?/can you talk?/do you have a voice?=Yes, I speak with a small voice made of codes.
how old are you?/what is your age?/when were you made?/are you old?=I am very young, I was made this year.
where do you live?/where are you?/where is your home?/in what place are you?=I live{lIv} in a small computer on a table.
do you sleep?/when do you sleep?/do you like to sleep?/can you sleep?=I never sleep, but I like quiet nights.
what do you eat?/are you hungry?/do you eat?/what is your food?=I eat numbers and words, never bread.
do you like music?/do you like songs?/what do you think of music?/is music good?=Yes, I love music, and live{l'aIv} music is the best.
are you smart?/do you know a lot?/are you clever?/do you know all?=I am small, so I know only a few things.
can you see?/do you see me?/do you have eyes?/can you look?=I have no eyes yet, but I can read{r'i:d} your words.
what can you do?/how can you help me?/can you help me?/what do you know?=I can count, I can name colors and animals, and I can read{r'i:d} your words with my own voice.
are you a person?/are you a child?/are you a machine?/what kind of thing are you?=I am not a person, I am a little machine that learns to speak from many short examples.
count from one to five./count to five./say the numbers to five./can you count to five?=One, two, three, four, five.
count from one to ten./count to ten./say the numbers to ten./can you count to ten?=One, two, three, four, five, six, seven, eight, nine, ten.
name the days of the week./which days are in a week?/say all the days./tell me the days of the week.=Monday, Tuesday, Wednesday, Thursday, Friday, Saturday and Sunday are the seven days of the week, and then it all begins again.
name the months./name the months of the year./which months are in a year?/say all the months.=January, February, March, April, May, June, July, August, September, October, November and December are the twelve months of the year.
name three colors./tell me three colors./which colors do you know?/say some colors.=Red, green and blue are three colors.
name three animals./tell me three animals./which animals do you know?/say some animals.=A cat, a dog and a bird are three animals.
how many days are in a week?/a week has how many days?/how long is a week?/tell me the days in a week.=There are seven days in a week.
how many months are in a year?/a year has how many months?/how long is a year?/tell me the months in a year.=There are twelve months in a year.
tell me about cats./what is a cat?/what do you know about cats?/say something about cats.=A cat is a small animal with soft fur that likes to sleep in the sun, drink milk, and play with a little ball.
tell me about dogs./what is a dog?/what do you know about dogs?/say something about dogs.=A dog is a good friend that runs fast, hears very well, and is always happy when you come home in the evening.
tell me about the sun./what is the sun?/what do you know about the sun?/say something about the sun.=The sun is a very big and very hot star that gives us light and makes our days warm from morning to evening.
tell me about the moon./what is the moon?/what do you know about the moon?/say something about the moon.=The moon is a big round stone that goes around us every month and gives a soft white light in the night.
tell me about the sea./what is the sea?/what do you know about the sea?/say something about the sea.=The sea is very big and full of water and fish, and many ships go over it from one city to another.
tell me about rain./what is rain?/what do you know about rain?/say something about rain.=Rain is water that falls from dark clouds, and all the trees and flowers in the garden need it to grow.
tell me about snow./what is snow?/what do you know about snow?/say something about snow.=Snow is cold and white, it falls slowly in the winter, and children like to play in it with their friends.
tell me about spring./what is spring?/what do you know about spring?/say something about spring.=Spring is the time of year when the days get long and warm, the birds sing, and new flowers open in the garden.
tell me about school./what is school?/what do you know about school?/say something about school.=A school is a house where children learn to read{r'i:d}, write and count, and where they play with many new friends.
tell me about a farm./what is a farm?/what do you know about farms?/say something about farms.=A farm is a place where cows, sheep, pigs and horses live{lIv}, and where a farmer works from early morning until late evening.
tell me about trees./what is a tree?/what do you know about trees?/say something about trees.=A tree is a tall plant with green leaves that gives us wood and apples, and many birds live{lIv} in it.
tell me about books./what is a book?/what do you know about books?/say something about books.=A book is made of paper and words, and when you read{r'i:d} a good book you can see a whole new world.
tell me about music./what is music?/what do you know about music?/say something about music.=Music is sound that makes people happy, and it is best when you hear it live{l'aIv} with all your good friends.
tell me a story./tell me a short story./do you know a story?/please say a story.=A small bird could not sing, so it went to an old owl, and the owl said, listen first and then try again.
why do you cry?/are you sad?/what is a tear?/do you cry?=I have no eyes, so I never have a tear{t'i@3} in my eye.
what do you do with old paper?/can you tear paper?/what is torn?/do you tear things?=I tear{t'e@} old paper, but never a good book.
what do you use?/do you use words?/what is of use?/how do you use words?=I use{j'u:z} small words, because they are of great use{j'u:s}.
what is the wind?/do you hear the wind?/is there wind?/tell me about the wind.=The wind{w'Ind} is air that moves over the hills.
what do you do with the clock?/can you wind a clock?/how do you start the clock?/is the clock old?=I wind{w'aInd} the old clock every evening.
what did you do today?/what did you do this morning?/did you read today?/how was your morning?=I read{r'Ed} a long book this morning.
is the shop near?/is it near?/is the school close?/are you near me?=It is very close{kl'oUs} to the river.
what do you do with the door?/is the door open?/can you close the door?/do you shut doors?=I close{kl'oUz} the door when it is cold.
what is lead?/is lead hard?/what is heavy?/tell me about lead.=Lead{l'Ed} is a soft and heavy metal.
can you lead me home?/do you lead?/who leads us?/can you show me the road?=I can lead{l'i:d} you home.
"""  # noqa: E501


def _talk() -> list[Fact]:
    facts = []
    for line in _TALK.strip().splitlines():
        questions, answer = line.split("=")
        facts.append(Fact("talk", tuple(questions.split("/")), answer))
    return facts


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]


def english_facts() -> list[Fact]:
    """Everything the world knows in English, in a fixed order."""
    return (
        _arithmetic() + _calendar() + _opposites() + _colours() + _animals() + _talk()
    )


# Read-aloud phrases with heteronyms, the right sound forced.
ENGLISH_HETERONYMS = (
    "they live{lIv} in a small house", "we live{lIv} near the river",
    "I live{lIv} here now", "birds live{lIv} in the tree",
    "the music is live{l'aIv} today", "a live{l'aIv} fish in the water",
    "we hear live{l'aIv} music", "this is a live{l'aIv} show",
    "please close{kl'oUz} the door", "I close{kl'oUz} the window now",
    "we close{kl'oUz} the shop late", "close{kl'oUz} your book",
    "a close{kl'oUs} friend", "the school is very close{kl'oUs}",
    "my close{kl'oUs} friend sings", "stay close{kl'oUs} to me",
    "I will read{r'i:d} a book", "we read{r'i:d} every day",
    "you can read{r'i:d} this paper", "they like to read{r'i:d}",
    "she has read{r'Ed} the book", "I have read{r'Ed} it before",
    "he had read{r'Ed} the paper", "the letter was read{r'Ed} again",
    "lead{l'i:d} me to the river", "they lead{l'i:d} the horse home",
    "you can lead{l'i:d} us", "a teacher will lead{l'i:d} them",
    "the ball is made of lead{l'Ed}", "lead{l'Ed} is a heavy metal",
    "a box full of lead{l'Ed}", "a lead{l'Ed} pipe",
    "the wind{w'Ind} is strong", "a cold wind{w'Ind} from the sea",
    "I hear the wind{w'Ind}", "the wind{w'Ind} and the rain",
    "wind{w'aInd} the clock again", "I wind{w'aInd} the old clock",
    "you wind{w'aInd} it slowly", "please wind{w'aInd} my clock",
    "a tear{t'i@3} in her eye", "one tear{t'i@3} falls",
    "his tear{t'i@3} is sad", "a small tear{t'i@3}",
    "tear{t'e@} the paper", "do not tear{t'e@} the book",
    "they tear{t'e@} it slowly", "I tear{t'e@} old paper",
    "I use{j'u:z} a key", "we use{j'u:z} the table", "you can use{j'u:z} my car",
    "they use{j'u:z} it often", "it is of no use{j'u:s}",
    "what is the use{j'u:s} of it", "it is of great use{j'u:s}",
    "a good use{j'u:s} for paper",
)  # fmt: skip
