import pytest

from mmseg_contrast.projects.choices import Machine, choose, this_machine

CPU, SMALL, MIDDLE, LARGE = (Machine(memory, 8) for memory in (None, 4.0, 8.0, 80.0))


@pytest.mark.parametrize(
    ('machine', 'sizes', 'photo', 'scale', 'crop'),
    [
        # as the configs of MSRC-21 and CamVid on a CPU
        (CPU, [(213, 320)], (320, 213), (448, 298), 224),
        (CPU, [(3000, 4000), (4000, 3000)], (4000, 3000), (448, 336), 224),
        (SMALL, [(3000, 4000)], (4000, 3000), (512, 384), 256),
        (MIDDLE, [(3000, 4000)], (4000, 3000), (768, 576), 384),
        (LARGE, [(3000, 4000)], (4000, 3000), (1024, 768), 512),
        # half as large again at most, and never too small for a net
        (LARGE, [(213, 320)], (320, 213), (480, 320), 320),
        (LARGE, [(28, 28)], (28, 28), (64, 64), 64),
        # a panorama: the crop has the height of the image
        (LARGE, [(500, 4000)], (4000, 500), (1024, 128), 128),
        (LARGE, [(600, 800), (3000, 4000), (300, 400)], (800, 600), (1024, 768), 512),
    ],
)
def test_sizes(machine, sizes, photo, scale, crop):
    chosen = choose(sizes, 40, machine)
    assert (chosen.photo, chosen.image_scale) == (photo, scale)
    assert chosen.crop_size == (crop, crop) and crop % 32 == 0 and crop <= scale[1]


@pytest.mark.parametrize(
    ('labeled', 'on_cpu', 'on_gpu'),
    [(1, 1000, 1000), (20, 1000, 1000), (40, 2000, 2000), (100, 2000, 5000), (5000, 2000, 20000)],
)
def test_steps(labeled, on_cpu, on_gpu):
    assert choose([(99, 99)], labeled, CPU).steps == on_cpu
    assert choose([(99, 99)], labeled, LARGE).steps == on_gpu
    assert choose([(99, 99)], labeled, LARGE, 77).steps == 77


def test_too_few_steps():
    with pytest.raises(ValueError, match='--steps 3 is too few to learn anything: give 1000'):
        choose([(99, 99)], 5, CPU, 3)


@pytest.mark.parametrize(('cores', 'workers'), [(1, 1), (2, 1), (4, 3), (64, 4)])
def test_workers(cores, workers):
    assert choose([(9, 9)], 5, Machine(None, cores)).num_workers == workers


def test_only_a_small_gpu_halves_the_batch():
    halved = [choose([(9, 9)], 5, each).halve_batch for each in (CPU, SMALL, MIDDLE, LARGE)]
    assert halved == [False, True, False, False]


def test_machines():
    assert str(Machine(None, 1)) == 'a CPU with 1 core' and str(CPU) == 'a CPU with 8 cores'
    assert str(LARGE) == 'a GPU of 80 GiB'
    assert this_machine().cores >= 1
