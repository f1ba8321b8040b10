"""Has a thread that works, from the import on."""
import queue
import threading

questions, answers = queue.Queue(), queue.Queue()


def work():
    while True:
        answers.put(2 * questions.get())


threading.Thread(target=work, daemon=True).start()


def ask(number):
    questions.put(number)
    return answers.get(timeout=10)
