"""Draw the pictures of the sample publication into app/sample: paper cuts in a few colours, from code alone.

python examples/draw_sample.py
"""

import math
import random
from collections.abc import Callable, Iterable
from pathlib import Path

from PIL import Image, ImageChops, ImageDraw, ImageFilter

FOLDER = Path(__file__).resolve().parents[1] / "app" / "sample"
WIDTH, HEIGHT, SCALE = 1200, 800, 2
Colour = tuple[int, int, int]
Point = tuple[float, float]

NIGHT, DUSK, INK = (18, 30, 56), (52, 66, 104), (24, 34, 48)
SEA, DEEP, FOAM = (54, 112, 130), (28, 72, 96), (224, 236, 232)
SAND, PAPER, SUN, ROSE = (236, 220, 188), (250, 243, 228), (244, 178, 92), (226, 122, 96)
RED, WHITE, GREY, MOSS = (190, 62, 52), (250, 248, 240), (120, 132, 140), (88, 116, 92)


class Scene:
    """A canvas whose unit is one pixel of the finished picture."""

    def __init__(self, top: Colour, bottom: Colour, size: tuple[int, int] = (WIDTH, HEIGHT), seed: int = 1) -> None:
        self.size, self.random = size, random.Random(seed)  # noqa: S311
        width, height = size[0] * SCALE, size[1] * SCALE
        ramp = Image.linear_gradient("L").resize((width, height))
        self.image = Image.composite(
            Image.new("RGB", (width, height), bottom), Image.new("RGB", (width, height), top), ramp
        )

    def shape(self, points: Iterable[Point], colour: Colour, *, shadow: int = 5) -> None:
        """Lay a sheet of paper with this outline on the picture, with a soft shadow below it."""
        outline = [(x * SCALE, y * SCALE) for x, y in points]
        mask = Image.new("L", self.image.size)
        ImageDraw.Draw(mask).polygon(outline, fill=255)
        self._lay(mask, colour, shadow)

    def disc(self, x: float, y: float, radius: float, colour: Colour, *, shadow: int = 5) -> None:
        """Lay a disc."""
        mask = Image.new("L", self.image.size)
        box = [(x - radius) * SCALE, (y - radius) * SCALE, (x + radius) * SCALE, (y + radius) * SCALE]
        ImageDraw.Draw(mask).ellipse(box, fill=255)
        self._lay(mask, colour, shadow)

    def box(self, x: float, y: float, width: float, height: float, colour: Colour, *, shadow: int = 3) -> None:
        """Lay a rectangle with this upper left corner."""
        self.shape([(x, y), (x + width, y), (x + width, y + height), (x, y + height)], colour, shadow=shadow)

    def glow(self, x: float, y: float, radius: float, colour: Colour, strength: float = 0.6) -> None:
        """Let light fall around a point."""
        mask = Image.new("L", self.image.size)
        box = [(x - radius) * SCALE, (y - radius) * SCALE, (x + radius) * SCALE, (y + radius) * SCALE]
        ImageDraw.Draw(mask).ellipse(box, fill=int(255 * strength))
        mask = mask.filter(ImageFilter.GaussianBlur(radius * SCALE / 3))
        self.image.paste(colour, mask=mask)

    def beam(self, points: Iterable[Point], colour: Colour, strength: float) -> None:
        """Lay a transparent sheet, such as a beam of light or a bank of fog."""
        mask = Image.new("L", self.image.size)
        ImageDraw.Draw(mask).polygon([(x * SCALE, y * SCALE) for x, y in points], fill=int(255 * strength))
        self.image.paste(colour, mask=mask.filter(ImageFilter.GaussianBlur(6 * SCALE)))

    def waves(self, y: float, colour: Colour, *, height: float = 14, length: float = 150, shift: float = 0) -> None:
        """Lay a sheet of sea from `y` to the lower edge."""
        crest = [
            (x, y - height * abs(math.sin(math.pi * (x + shift) / length))) for x in range(-10, self.size[0] + 12, 4)
        ]
        self.shape([*crest, (self.size[0] + 10, self.size[1] + 10), (-10, self.size[1] + 10)], colour, shadow=7)

    def hills(self, y: float, colour: Colour, *, height: float = 60, length: float = 420, shift: float = 0) -> None:
        """Lay a sheet of land from `y` to the lower edge."""
        edge = [
            (x, y - height * (math.sin((x + shift) / length * 2) + 0.5 * math.sin((x + shift) / length * 5.3)))
            for x in range(-10, self.size[0] + 20, 6)
        ]
        self.shape([*edge, (self.size[0] + 10, self.size[1] + 10), (-10, self.size[1] + 10)], colour, shadow=7)

    def save(self, name: str, quality: int = 66) -> None:
        """Shrink the picture to its own size, give the paper a faint grain, and write it as a JPEG."""
        small = self.image.resize(self.size, Image.Resampling.LANCZOS)
        grain = Image.effect_noise((self.size[0] // 3, self.size[1] // 3), 5).resize(self.size).convert("RGB")
        textured = ImageChops.soft_light(small, grain)
        textured.save(FOLDER / name, "JPEG", quality=quality, optimize=True, progressive=True)

    def _lay(self, mask: Image.Image, colour: Colour, shadow: int) -> None:
        if shadow:
            fallen = Image.new("L", mask.size)
            fallen.paste(mask, (0, shadow * SCALE // 2))
            dark = Image.eval(fallen.filter(ImageFilter.GaussianBlur(shadow * SCALE)), lambda value: value * 80 // 255)
            self.image.paste((8, 14, 26), mask=ImageChops.subtract(dark, mask))
        self.image.paste(colour, mask=mask)


def draw_lighthouse(scene: Scene, x: float, y: float, size: float, *, lit: bool = True) -> None:
    """Draw a lighthouse that stands at (x, y) and is `size` high."""
    base, top = size * 0.17, size * 0.1
    stripes = 5
    for number in range(stripes):
        low, high = number / stripes, (number + 1) / stripes
        a, b = base - (base - top) * low, base - (base - top) * high
        bottom, upper = y - size * 0.74 * low, y - size * 0.74 * high
        colour = RED if number % 2 == 0 else WHITE
        scene.shape([(x - a, bottom), (x + a, bottom), (x + b, upper), (x - b, upper)], colour, shadow=2)
    head = y - size * 0.74
    scene.box(x - top * 1.5, head - size * 0.025, top * 3, size * 0.025, INK)
    scene.box(x - top * 0.8, head - size * 0.15, top * 1.6, size * 0.125, SUN if lit else GREY, shadow=0)
    for post in (-0.8, -0.05, 0.7):
        scene.box(x + top * post, head - size * 0.15, top * 0.12, size * 0.125, INK, shadow=0)
    scene.shape(
        [(x - top * 1.2, head - size * 0.15), (x + top * 1.2, head - size * 0.15), (x, head - size * 0.25)], RED
    )


def draw_ferry(scene: Scene, x: float, y: float, size: float) -> None:
    """Draw a ferry of length `size` whose waterline begins at (x, y)."""
    unit = size / 10
    scene.box(x + unit * 2, y - unit * 3.0, unit * 5.4, unit, WHITE)
    scene.box(x + unit * 5.3, y - unit * 3.8, unit * 1.7, unit * 0.8, WHITE)
    scene.box(x + unit * 3.0, y - unit * 4.4, unit * 0.9, unit * 1.4, RED)
    scene.box(x + unit * 3.0, y - unit * 4.1, unit * 0.9, unit * 0.3, INK, shadow=0)
    scene.box(x + unit * 1.2, y - unit * 2.1, unit * 7.2, unit * 0.9, PAPER)
    for window in range(8):
        scene.disc(x + unit * (1.8 + 0.85 * window), y - unit * 1.62, unit * 0.2, DEEP, shadow=0)
    for window in range(5):
        scene.box(x + unit * (2.4 + window), y - unit * 2.7, unit * 0.62, unit * 0.4, DUSK, shadow=0)
    hull = [
        (x, y - unit * 1.25),
        (x + unit * 10, y - unit * 1.45),
        (x + unit * 9.1, y + unit * 0.5),
        (x + unit * 0.7, y + unit * 0.5),
    ]
    scene.shape(hull, INK)
    scene.shape(
        [
            (x + unit * 0.45, y - unit * 0.1),
            (x + unit * 9.35, y - unit * 0.1),
            (x + unit * 9.1, y + unit * 0.5),
            (x + unit * 0.7, y + unit * 0.5),
        ],
        RED,
        shadow=0,
    )


def draw_gull(scene: Scene, x: float, y: float, size: float, colour: Colour = WHITE) -> None:
    """Draw a gull in flight."""
    right = [(0.12, -0.06), (0.55, -0.42), (1, -0.32), (0.5, -0.24), (0.14, 0.14)]
    left = [(-along, up) for along, up in reversed(right)]
    wings = [(x + size * along, y + size * up) for along, up in ((0, -0.1), *right, (0, 0.2), *left)]
    scene.shape(wings, colour, shadow=3)


def draw_houses(scene: Scene, y: float, colours: list[Colour], *, lit: float, height: float = 150) -> None:
    """Draw a row of gabled houses that stand at `y`, some of their windows lit."""
    x = -20.0
    while x < scene.size[0]:
        width, tall = scene.random.uniform(80, 130), height * scene.random.uniform(0.75, 1.3)
        colour = scene.random.choice(colours)
        scene.shape(
            [(x, y), (x, y - tall), (x + width / 2, y - tall - width * 0.5), (x + width, y - tall), (x + width, y)],
            colour,
        )
        for row in range(int(tall // 48)):
            for column in (0.2, 0.58):
                light = SUN if scene.random.random() < lit else INK
                scene.box(x + width * column, y - tall + 16 + row * 48, width * 0.2, 26, light, shadow=0)
        x += width - 2


def quay() -> None:
    scene = Scene((246, 206, 168), (250, 238, 214), seed=3)
    scene.disc(880, 330, 110, SUN, shadow=0)
    scene.glow(880, 330, 260, SUN, 0.35)
    scene.hills(430, (176, 160, 170), height=50)
    scene.hills(480, (126, 128, 150), height=36, shift=500)
    scene.waves(500, (112, 158, 168), height=8, length=90)
    draw_ferry(scene, 300, 560, 760)
    scene.waves(580, SEA, length=130)
    scene.box(-10, 560, 420, 300, (150, 132, 116), shadow=8)
    scene.box(-10, 548, 430, 22, (196, 178, 152))
    for post in (40, 150, 260, 370):
        scene.box(post, 500, 26, 52, INK)
        scene.disc(post + 13, 500, 17, INK)
    scene.waves(670, DEEP, length=170, shift=60)
    for x, y, size in ((160, 190, 46), (270, 250, 30), (600, 150, 36)):
        draw_gull(scene, x, y, size)
    scene.save("quay.jpg")


def gulls() -> None:
    scene = Scene((126, 178, 190), (232, 232, 214), seed=8)
    scene.disc(260, 210, 86, PAPER, shadow=0)
    scene.hills(560, (150, 172, 164), height=40)
    draw_houses(scene, 690, [(206, 150, 118), (190, 112, 92), SAND, (160, 142, 140)], lit=0.1)
    draw_houses(scene, 840, [RED, (226, 196, 150), DUSK, (206, 140, 106)], lit=0.15, height=170)
    for _ in range(26):
        x, y = scene.random.uniform(40, 1160), scene.random.uniform(60, 430)
        draw_gull(scene, x, y, scene.random.uniform(18, 40))
    draw_gull(scene, 800, 300, 170)
    draw_gull(scene, 430, 400, 110)
    scene.save("gulls.jpg", 58)


def bridge() -> None:
    scene = Scene((236, 168, 132), (252, 226, 182), seed=5)
    scene.disc(600, 420, 130, (250, 214, 140), shadow=0)
    scene.hills(470, (170, 130, 130), height=46, shift=200)
    scene.waves(540, (150, 150, 150), height=6, length=80)
    for x, direction in ((270, 1), (930, -1)):
        scene.box(x - 60, 300, 120, 420, (92, 84, 92), shadow=8)
        scene.shape([(x - 74, 300), (x + 74, 300), (x, 220)], RED)
        scene.box(x - 18, 350, 36, 60, SUN)
        tip = (x + direction * 250, 210)
        deck = [(x + direction * 60, 545), (x + direction * 60, 575), (tip[0] + direction * 14, tip[1] + 20), tip]
        scene.shape(deck, INK)
        scene.shape([(x, 300), (x + 6, 300), (tip[0], tip[1] + 10), (tip[0] - 4, tip[1] + 10)], INK, shadow=0)
    scene.box(-10, 545, 220, 34, INK)
    scene.box(990, 545, 230, 34, INK)
    sail = [(600, 300), (600, 560), (470, 560)]
    scene.shape(sail, WHITE)
    scene.shape([(612, 330), (612, 560), (700, 560)], PAPER)
    scene.shape([(460, 576), (730, 576), (690, 622), (500, 622)], RED)
    scene.waves(620, SEA, length=140)
    scene.waves(700, DEEP, length=180, shift=40)
    draw_gull(scene, 160, 160, 40)
    draw_gull(scene, 1010, 120, 30)
    scene.save("bridge.jpg")


def slabs() -> None:
    scene = Scene((168, 196, 204), (238, 230, 206), seed=12)
    scene.hills(470, (140, 164, 168), height=40)
    scene.waves(520, (112, 158, 168), height=8, length=90)
    scene.box(820, 120, 26, 470, SUN)
    scene.shape([(520, 130), (1080, 130), (1080, 148), (520, 148)], SUN)
    scene.shape([(833, 60), (841, 60), (1080, 132), (520, 132)], (210, 150, 70), shadow=2)
    scene.box(1010, 148, 60, 54, INK)
    scene.box(584, 148, 4, 210, INK, shadow=0)
    scene.shape([(586, 352), (520, 392), (524, 396), (586, 360), (650, 396), (654, 392)], INK, shadow=0)
    scene.box(500, 392, 174, 42, (176, 164, 148))
    scene.box(-10, 540, 470, 300, (150, 136, 122), shadow=8)
    scene.box(690, 540, 540, 300, (150, 136, 122), shadow=8)
    for x in range(-10, 460, 118):
        scene.box(x, 528, 114, 26, (204, 190, 166))
    for x in range(690, 1220, 118):
        scene.box(x, 528, 114, 26, (204, 190, 166))
    for x, colour in ((300, ROSE), (360, SUN)):
        scene.shape([(x - 16, 528), (x + 16, 528), (x + 12, 460), (x - 12, 460)], INK)
        scene.disc(x, 446, 14, SAND)
        scene.shape([(x - 16, 442), (x + 16, 442), (x + 10, 426), (x - 10, 426)], colour, shadow=0)
    scene.waves(640, SEA, length=120)
    scene.waves(710, DEEP, length=170, shift=60)
    scene.save("slabs.jpg")


def lighthouse() -> None:
    scene = Scene(NIGHT, (84, 92, 128), seed=21)
    for _ in range(110):
        scene.disc(
            scene.random.uniform(0, 1200), scene.random.uniform(0, 460), scene.random.uniform(0.8, 2.2), PAPER, shadow=0
        )
    scene.disc(230, 170, 64, PAPER, shadow=0)
    scene.disc(256, 154, 58, (30, 42, 72), shadow=0)
    scene.beam([(812, 228), (-20, 90), (-20, 330)], (252, 226, 160), 0.42)
    scene.beam([(828, 228), (1220, 150), (1220, 310)], (252, 226, 160), 0.42)
    scene.hills(560, (48, 60, 92), height=40, shift=300)
    scene.waves(590, (46, 84, 110), height=9, length=100)
    scene.shape(
        [(560, 640), (640, 560), (740, 530), (900, 530), (1010, 580), (1100, 650), (1100, 800), (520, 800)],
        (40, 46, 60),
        shadow=8,
    )
    draw_lighthouse(scene, 820, 540, 400)
    scene.glow(820, 230, 130, (255, 226, 150), 0.7)
    scene.shape([(900, 540), (900, 480), (950, 446), (1000, 480), (1000, 570)], WHITE)
    scene.box(930, 496, 24, 28, SUN, shadow=0)
    scene.waves(680, (34, 66, 92), length=140)
    scene.waves(740, (22, 46, 72), length=180, shift=70)
    scene.save("lighthouse.jpg")


def crossing() -> None:
    scene = Scene((112, 168, 190), (240, 232, 206), seed=30)
    scene.disc(960, 170, 70, PAPER, shadow=0)
    for x, y, size in ((180, 170, 60), (250, 150, 80), (330, 176, 58), (720, 110, 40), (780, 100, 52)):
        scene.disc(x, y, size, (236, 240, 236), shadow=0)
    scene.hills(440, (132, 166, 160), height=50, shift=100)
    draw_lighthouse(scene, 1090, 440, 190, lit=False)
    scene.waves(470, (110, 164, 176), height=8, length=90)
    draw_ferry(scene, 170, 580, 780)
    for number in range(13):
        x = 196 + number * 56
        colour = (RED, SUN, WHITE, SEA)[number % 4]
        sag = 318 + 36 * math.sin(number / 12 * math.pi)
        scene.shape([(x, sag), (x + 30, sag), (x + 15, sag + 36)], colour, shadow=2)
    scene.waves(600, SEA, length=130)
    scene.waves(680, DEEP, length=170, shift=60)
    for x, y, size in ((560, 200, 50), (640, 250, 30), (470, 260, 26)):
        draw_gull(scene, x, y, size)
    scene.save("crossing.jpg")


def fog() -> None:
    scene = Scene((196, 204, 206), (226, 226, 220), seed=41)
    scene.hills(460, (176, 186, 190), height=60, shift=100)
    scene.beam([(-50, 380), (1250, 350), (1250, 480), (-50, 500)], (230, 232, 228), 0.8)
    draw_lighthouse(scene, 880, 580, 360)
    scene.glow(880, 300, 130, (250, 226, 170), 0.6)
    scene.beam([(-50, 300), (1250, 340), (1250, 470), (-50, 420)], (222, 226, 224), 0.62)
    scene.waves(560, (150, 168, 174), height=8, length=110)
    scene.beam([(-50, 520), (1250, 500), (1250, 610), (-50, 640)], (226, 230, 228), 0.7)
    scene.waves(640, (112, 136, 146), length=150)
    scene.shape([(170, 640), (470, 640), (430, 690), (210, 690)], (70, 80, 90))
    scene.box(300, 560, 70, 82, (96, 106, 114))
    scene.box(330, 470, 6, 92, (70, 80, 90), shadow=0)
    scene.glow(333, 470, 60, SUN, 0.6)
    scene.beam([(-50, 610), (700, 590), (760, 660), (-50, 690)], (226, 230, 228), 0.5)
    scene.waves(710, (84, 108, 122), length=180, shift=50)
    scene.save("fog.jpg")


def bakery() -> None:
    scene = Scene((22, 32, 62), (66, 72, 108), seed=52)
    for _ in range(60):
        scene.disc(
            scene.random.uniform(0, 1200), scene.random.uniform(0, 240), scene.random.uniform(0.8, 2), PAPER, shadow=0
        )
    scene.disc(1010, 120, 46, PAPER, shadow=0)
    draw_houses(scene, 660, [(52, 58, 88), (62, 62, 92), (44, 52, 80)], lit=0.06, height=260)
    scene.shape([(380, 690), (380, 330), (600, 190), (820, 330), (820, 690)], (132, 76, 66), shadow=9)
    scene.box(430, 460, 220, 160, (255, 212, 128))
    scene.box(700, 470, 80, 220, (90, 54, 50))
    scene.box(714, 486, 52, 80, (255, 212, 128), shadow=0)
    for number in range(7):
        scene.box(410 + number * 37, 430, 37, 46, WHITE if number % 2 else RED, shadow=2)
    scene.box(430, 560, 220, 8, (120, 74, 50), shadow=0)
    for x in (462, 516, 570, 622):
        scene.disc(x, 548, 20, (176, 110, 58), shadow=2)
        scene.disc(x - 6, 600, 18, (196, 132, 74), shadow=2)
    scene.box(540, 280, 44, 56, (255, 212, 128))
    scene.box(620, 280, 44, 56, INK)
    scene.glow(560, 560, 330, (255, 196, 110), 0.4)
    scene.box(-10, 690, 1220, 130, (40, 44, 62), shadow=8)
    scene.beam([(430, 690), (660, 690), (760, 810), (360, 810)], (255, 212, 128), 0.5)
    scene.save("bakery.jpg")


def portrait(name: str, back: Colour, skin: Colour, hair: Colour, coat: Colour, extra: Callable[[Scene], None]) -> None:
    scene = Scene(back, tuple(min(255, part + 26) for part in back), size=(480, 480))  # type: ignore[arg-type]
    scene.shape([(60, 490), (90, 390), (180, 350), (300, 350), (390, 390), (420, 490)], coat, shadow=8)
    scene.shape([(208, 300), (272, 300), (282, 370), (240, 396), (198, 370)], skin)
    scene.disc(240, 205, 108, hair)
    scene.shape(
        [
            (165, 200),
            (180, 150),
            (240, 140),
            (300, 150),
            (315, 200),
            (306, 268),
            (270, 318),
            (240, 328),
            (210, 318),
            (174, 268),
        ],
        skin,
    )
    scene.disc(208, 222, 8, INK, shadow=0)
    scene.disc(272, 222, 8, INK, shadow=0)
    scene.shape([(240, 226), (250, 262), (232, 262)], tuple(part * 9 // 10 for part in skin), shadow=0)  # type: ignore[arg-type]
    scene.shape([(214, 284), (266, 284), (254, 296), (226, 296)], ROSE, shadow=0)
    extra(scene)
    scene.save(name)


def costa(scene: Scene) -> None:
    scene.shape([(134, 176), (346, 176), (330, 120), (240, 84), (150, 120)], SUN)
    scene.shape([(110, 190), (370, 190), (346, 168), (134, 168)], (226, 156, 70))


def wren(scene: Scene) -> None:
    for x in (208, 272):
        scene.disc(x, 222, 30, INK, shadow=0)
        scene.disc(x, 222, 24, (232, 240, 240), shadow=0)
        scene.disc(x, 222, 8, INK, shadow=0)
    scene.box(232, 218, 16, 6, INK, shadow=0)
    scene.shape([(228, 372), (252, 372), (262, 490), (218, 490)], RED)


def lindqvist(scene: Scene) -> None:
    scene.disc(240, 92, 44, (206, 206, 210))
    for x, y in ((88, 120), (392, 90), (400, 210)):
        scene.disc(x, y, 13, SUN, shadow=2)
        scene.disc(x + 9, y - 10, 8, WHITE, shadow=0)
        scene.box(x - 3, y - 12, 5, 24, INK, shadow=0)


def icon() -> None:
    scene = Scene(DEEP, (40, 92, 116), size=(512, 512))
    scene.beam([(250, 150), (-20, 60), (-20, 230)], (252, 226, 160), 0.8)
    scene.beam([(262, 150), (532, 60), (532, 230)], (252, 226, 160), 0.8)
    draw_lighthouse(scene, 256, 430, 370)
    scene.waves(430, FOAM, height=18, length=86)
    scene.waves(470, SEA, height=18, length=86, shift=43)
    scene.save("icon.jpg", 82)


if __name__ == "__main__":
    for draw in (quay, gulls, bridge, slabs, lighthouse, crossing, fog, bakery, icon):
        draw()
    portrait("costa.jpg", (150, 190, 200), (222, 176, 140), (60, 42, 36), (206, 160, 60), costa)
    portrait("wren.jpg", (206, 190, 160), (240, 208, 180), (150, 96, 54), DUSK, wren)
    portrait("lindqvist.jpg", (170, 190, 160), (140, 96, 70), (206, 206, 210), (92, 70, 110), lindqvist)
