import pytest

from mmseg_contrast.report.records import MonitorRecord, Validation
from mmseg_contrast.report.rules import advise

STEPS = range(50, 1001, 50)
SECOND = '<script>alert(1)<-script>'


def flat(value):
    return [(step, value) for step in STEPS]


def only(run):
    [advice] = advise(run)
    return advice


def test_of_a_sound_run_nothing_stands_out(make_run):
    assert advise(make_run()) == []
    assert advise(make_run(validations=[])) == []


def test_an_empty_run_is_not_judged(make_run):
    run = make_run(validations=[])
    run.curves, run.starts = {}, []
    assert advise(run) == []


@pytest.mark.parametrize(('teacher', 'said'), [(59.0, True), (60.5, False), (70.0, False)])
def test_teacher_below_student(make_run, teacher, said):
    run = make_run({'teacher/mIoU': [(1000, teacher)]})
    if not said:
        assert advise(run) == []
        return
    advice = only(run)
    assert advice.title == 'The teacher is below the student'
    assert advice.evidence == 'Teacher 59.0, student 61.0 mIoU at iteration 1,000.'


def test_in_the_burn_in_the_teacher_is_not_judged(make_run):
    assert advise(make_run({'teacher/mIoU': [(1000, 10.0)]}, burn_in=1000, max_iters=2000)) == []


def test_a_class_vanishes_from_the_pseudo_labels(make_run):
    curve = [(step, 0.3 if step <= 850 else 0.0) for step in STEPS]
    advice = only(make_run({f'unsup.share/{SECOND}': curve}, nets=None))
    assert advice.title == 'A class has vanished from the pseudo-labels'
    assert advice.evidence == (
        'No pixel for the last 3 log intervals: <script>alert(1)</script> (33.3% of the masks).'
    )
    # in the last interval it is back; before, it was gone for two intervals alone
    curve = [(step, 0.0 if 850 <= step <= 900 else 0.3) for step in STEPS]
    assert advise(make_run({f'unsup.share/{SECOND}': curve})) == []


def test_a_class_that_the_masks_hardly_have_may_vanish(make_run):
    curves = {f'unsup.share/{SECOND}': flat(0.0), f'sup.share/{SECOND}': flat(0.004)}
    assert advise(make_run(curves)) == []


def test_the_student_does_not_find_a_class(make_run, make_net):
    nets = {'student': make_net([[80, 0, 0], [4, 0, 6], [0, 0, 10]])}
    advice = only(make_run(nets=nets))
    assert advice.title == 'The student does not find a class'
    assert advice.evidence == 'Recall 0 in the last validation: <script>alert(1)</script>.'
    # no pixel of it is there to be found
    assert advise(make_run(nets={'student': make_net([[80, 0, 0], [0, 0, 0], [0, 0, 10]])})) == []


def test_pseudo_labels_drift(make_run):
    advice = only(make_run({'unsup.share/sky': flat(0.7)}))
    assert advice.title == 'Pseudo-labels drift away from the masks'
    assert 'sky 33.3% of the masks, 70.0% of the labels' in advice.evidence
    assert advise(make_run({'unsup.share/sky': flat(0.6)})) == []


@pytest.mark.parametrize(('coverage', 'said'), [(0.19, True), (0.2, False)])
def test_low_coverage(make_run, coverage, said):
    run = make_run({'unsup.coverage': [(s, 0.9 if s < 700 else coverage) for s in STEPS]})
    if not said:
        assert advise(run) == []
        return
    assert only(run).title == 'Little of the unlabelled images is used'
    assert only(run).evidence.startswith('Coverage 19.0% over the last quarter')


def test_a_term_that_is_zero_has_its_reason(make_run):
    run = make_run({'contrast.positives': flat(0.0)})
    assert only(run).evidence == 'contrast.positives is 0 for the last 3 log intervals.'
    assert only(run).remedy.startswith('No anchor has a positive: each class occurs once at most')
    assert advise(make_run({'contrast.positives': [*flat(0.0)[:-1], (1000, 1.0)]})) == []


def entropies(make_net, values):
    return [
        Validation(250 * i, {}, {'student': make_net(cross_entropy=value)})
        for i, value in enumerate(values, 1)
    ]


def test_overfitting_of_the_labels(make_run, make_net):
    advice = only(make_run(validations=entropies(make_net, [0.9, 0.8, 0.85, 1.0])))
    assert advice.title == 'The labelled images are being learnt by heart'
    assert advice.evidence == (
        'From iteration 500 to 1,000 the loss on the labels fell from 0.100 to 0.050, and the '
        'cross-entropy of the validation images rose from 0.800 to 1.000.'
    )
    assert advise(make_run(validations=entropies(make_net, [0.9, 0.8, 0.85, 0.9]))) == []
    rising = {'sup.decode.loss_ce': [(s, s / 1000) for s in STEPS]}
    assert advise(make_run(rising, validations=entropies(make_net, [0.9, 0.8, 0.85, 1.0]))) == []


def test_the_best_was_earlier(make_run):
    curve = [(500, 60.0), (750, 64.0), (1000, 61.0)]
    advice = only(make_run({'student/mIoU': curve}))
    assert advice.title == 'The student was better before'
    assert advice.evidence == '64.0 mIoU at iteration 750, 61.0 at 1,000.'
    assert "save_best='student/mIoU'" in advice.remedy
    assert advise(make_run({'student/mIoU': [(500, 60.0), (750, 62.9), (1000, 61.0)]})) == []


def test_it_still_rises_at_the_end(make_run):
    curves = {
        f'{net}/mIoU': [(500, 50.0), (750, 58.0), (1000, 61.0)] for net in ('student', 'teacher')
    }
    advice = only(make_run(curves))
    assert advice.title == 'It was still getting better'
    assert advice.evidence.startswith('58.0 mIoU after three quarters of the training, 61.0')
    assert advise(make_run(curves, max_iters=5000)) == [], 'it is not over'


def test_the_schedule_ends_early(make_run):
    rates = [(s, max(1e-4, 0.1 * (1 - s / 600))) for s in STEPS]
    advice = only(make_run({'lr': rates}))
    assert advice.title == 'The schedule ends early'
    assert advice.evidence == (
        'The learning rate stands at 0.0001 for the last 400 of 1,000 iterations; its peak was 0.0917.'
    )
    rates = [(s, max(1e-4, 0.1 * (1 - s / 900))) for s in STEPS]
    assert advise(make_run({'lr': rates})) == []
    assert advise(make_run({'lr': flat(0.1)})) == [], 'a constant rate has no schedule'


def test_the_training_ends_before_its_schedule(make_run):
    advice = only(make_run({'lr': [(s, 0.1 * (1 - s / 10000)) for s in STEPS]}))
    assert advice.title == 'The training ends before its schedule'
    assert advice.evidence == 'The learning rate is still 90% of its peak at the last iteration.'


def test_the_bank_never_fills(make_run):
    curves = {'bank.fill': flat(0.05), 'bank/fill/sky': flat(0.0), f'bank/fill/{SECOND}': flat(0.1)}
    advice = only(make_run(curves))
    assert advice.title == 'A memory bank does not fill'
    assert advice.evidence == 'bank is 5.0% full after 1,000 iterations; no row of sky.'
    curves = {'bank.fill': flat(0.5), 'bank/fill/sky': flat(0.5)}
    assert advise(make_run(curves)) == []


def test_bad_calibration_is_told_of_the_net_that_labels(make_run, make_net):
    nets = {'student': make_net(), 'teacher': make_net(confidence=0.9, right=0.7)}
    advice = only(make_run(nets=nets))
    assert advice.title == 'The teacher is surer than it is right'
    assert advice.evidence == 'Mean confidence 90.0%, 70.0% right; calibration error 0.200.'
    assert only(make_run(nets={'student': make_net(confidence=0.5, right=0.7)})).title == (
        'The model is right more often than it says'
    )
    assert advise(make_run(nets={'student': make_net(confidence=0.9, right=0.81)})) == []


def test_wrong_pseudo_labels_of_monitored_images(make_run):
    kept = [[8.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 3.0, 9.0]]
    advice = only(make_run(monitor=MonitorRecord(4, kept, kept)))
    assert advice.title == 'Pseudo-labels of some classes are mostly wrong'
    assert advice.evidence == (
        'Precision on the 4 monitored images: <script>alert(1)</script> 40%.'
    )
    right = [[8.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 2.0, 9.0]]
    assert advise(make_run(monitor=MonitorRecord(4, right, right))) == []


def test_labels_of_the_burn_in_are_not_judged(make_run):
    wrong = [[8.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 9.0, 9.0]]
    run = make_run(monitor=MonitorRecord(4, wrong, wrong), burn_in=1000, max_iters=2000)
    run.curves['lr'] = [*run.curves['lr'], (1050, 0.0)]
    assert run.iteration == 1050, 'the last validation was in the burn-in'
    assert advise(run) == []


def test_waiting_for_data(make_run):
    advice = only(make_run({'data_time': flat(0.4)}))
    assert advice.evidence == '0.40 s of the 1.00 s of a step.'
    assert advise(make_run({'data_time': flat(0.3)})) == []


def test_a_set_that_is_not_seen_once(make_run):
    run = make_run(burn_in=980)
    run.curves['teacher/mIoU'] = run.curves['student/mIoU']
    advice = only(run)
    assert advice.title == 'Not all unlabelled images were used'
    assert advice.evidence == '80% of the 100 images were seen.'
    assert advise(make_run(burn_in=970)) == []
