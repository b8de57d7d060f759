"""Write student copies of the notebooks, without solutions and outputs, and notes beside them.

    gptoss-edu workshop my-course                        all chapters
    gptoss-edu workshop my-course --chapters 03 05-08    some of them
    gptoss-edu workshop my-course --chapters bridge 06 08   half a day: "attention in 20 minutes", then two chapters
    gptoss-edu workshop my-course --with-hints           with the folded hints
    gptoss-edu workshop my-course --update               a newer course; what the learner wrote is kept
    gptoss-edu workshop course --nbgrader                a course folder that nbgrader generates, releases and grades
    gptoss-edu workshop my-course --wheelhouse           also all wheels, for a room without network

The copies run from top to bottom as they are. An exercise raises NotImplementedError only when called, and checks and
pictures say "not written yet". A passed check stores the learner's function in my-course/my_gptoss.py.
"""

import argparse
from pathlib import Path

from gptoss_edu.options import check_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="where to write the copies; created if it does not exist")
    parser.add_argument("--chapters", nargs="+", metavar="NN", help="numbers or ranges: 03 05-08; default: all")
    parser.add_argument("--with-hints", action="store_true", help="keep the folded hints")
    parser.add_argument("--update", action="store_true", help="update an existing folder to a newer course")
    parser.add_argument("--nbgrader", action="store_true", help="an instructor's course folder for nbgrader instead")
    parser.add_argument(
        "--wheelhouse", action="store_true", help="add the wheels of an installation: 0.3 GB, far more with CUDA"
    )


def run(args: argparse.Namespace) -> int:
    from gptoss_edu.course import wheelhouse, workshop

    check_folder(args.folder, "the folder")
    if args.nbgrader:
        return for_nbgrader(args)
    report = workshop.write(args.folder, args.chapters, args.with_hints, args.update)
    for label, names in (("new", report.new), ("replaced", report.replaced), ("merged, answers kept", report.merged)):
        if names:
            print(f"{label}: {', '.join(names)}")
    for name in report.backups:
        print(f"as it was before: {args.folder / name}")
    if not (report.new or report.replaced or report.merged):
        print("nothing to do: the folder is up to date")
    if args.wheelhouse:
        folder = wheelhouse.collect(args.folder)
        print(f"wheels in {folder}; {folder / 'INSTALL.txt'} says how to install them")
    return 0


def for_nbgrader(args: argparse.Namespace) -> int:
    """Write nbgrader's course folder and say what to do with it."""
    from gptoss_edu.course import nbgrader
    from gptoss_edu.errors import GptOssError

    if args.update or args.with_hints or args.wheelhouse:
        raise GptOssError("workshop: expected --nbgrader alone or with --chapters; it makes a folder for the teacher.")
    made = nbgrader.write(args.folder, args.chapters)
    if not made:
        raise GptOssError("workshop: expected chapters with exercises for --nbgrader, found none among these.")
    for assignment, points in made:
        print(f"{assignment}: {points} points")
    first = made[0][0]
    print(f"next: cd {args.folder}; nbgrader generate_assignment {first}; nbgrader release_assignment {first}")
    return 0
